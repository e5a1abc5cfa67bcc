"""The component as a program sees it, with Pulumi's own mocks in place of the engine."""

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest
import yaml

from headscale_component import Headscale, HeadscaleArgs, SpecError, load_instances
from headscale_component.render import SUFFIX, documents
from headscale_component.spec.resource_names import names_of
from headscale_component.stack_config import mark_secret_paths

README = (Path(__file__).parents[3] / "README.md").read_text()
SMALLEST: dict[str, Any] = {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com"}}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_instance_registers_these_resources(declared):
    made = declared(lambda: Headscale("vpn", {**SMALLEST, "users": {"alice": {}}, "apiKeys": {"ui": {}}}))

    assert set(made) == {
        ("vpn", "Headscale"),
        ("vpn", "StatefulSet"),
        ("vpn", "Service"),
        ("vpn", "ServiceAccount"),
        ("vpn", "Role"),
        ("vpn", "RoleBinding"),
        ("vpn-metrics", "Service"),
        ("vpn-config", "ConfigMap"),
        ("vpn-rollout", "Rollout"),
        ("vpn-preflight", "Preflight"),
        ("vpn-connection", "pulumi-python"),
        ("vpn-alice", "User"),
        ("vpn-ui-api-key", "ApiKey"),
        ("vpn-policy", "Policy"),
    }


def test_names_of_all_repeated_kinds_are_checked(declared):
    key = {"tags": ["tag:a"]}
    whole = {
        **SMALLEST,
        "users": {"a": {}, "b": {}},
        "apiKeys": {"c": {}, "d": {}},
        "preAuthKeys": {"e": key, "f": key},
    }
    made = declared(lambda: Headscale("vpn", whole))

    kinds = [kind for _, kind in made]
    several = {(kind, name) for name, kind in made if kinds.count(kind) > 1}
    assert several == {(kind, name) for kind, name, _ in names_of("vpn", HeadscaleArgs.model_validate(whole))}


def test_readme_program_declares_its_resources(declared):
    (program,) = blocks("python")

    made = declared(lambda: exec(program, {}))

    assert {("vpn-alice", "User"), ("vpn-laptop", "PreAuthKey")} <= set(made)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_readme_stacks_are_accepted(text):
    instances = load_instances(yaml.safe_load(text)["config"]["headscale:instances"])

    assert set(instances) == {"vpn"}


def test_invalid_instance_registers_nothing(declared):
    def program():
        with pytest.raises(SpecError, match="replicas"):
            Headscale("vpn", {**SMALLEST, "replicas": 3})

    assert declared(program) == {}


def test_key_of_unknown_user_is_an_error(declared):
    def program():
        with pytest.raises(SpecError, match=r"preAuthKeys\.laptop\.user: `nobody` is not under `users`"):
            Headscale("vpn", SMALLEST).pre_auth_key("laptop", {"user": "nobody"})

    declared(program)


def test_rendered_manifests_equal_the_registered_ones(declared):
    spec = {
        **SMALLEST,
        "createNamespace": True,
        "config": {
            **SMALLEST["config"],
            "derp": {"server": {"enabled": True}},
            "oidc": {
                "issuer": "https://id.example.com",
                "client_id": "h",
                "client_secret": {"secretKeyRef": {"name": "oidc", "key": "secret"}},
            },
        },
    }

    made = declared(lambda: Headscale("vpn", spec))

    def named(kind, name, tree):
        # On the wire all numbers are floats.
        same = json.loads(json.dumps(tree), parse_int=float)
        return kind.removesuffix("Patch"), name, json.dumps(same, sort_keys=True).replace(SUFFIX, "")

    in_cluster = [value for value in made.values() if value.typ.startswith("kubernetes:")]
    shown = documents("vpn", HeadscaleArgs.model_validate(spec))
    for document in shown:
        if document["kind"] == "ConfigMap":
            del document["metadata"]["name"]
    for value in in_cluster:
        if value.typ.endswith(":StatefulSet"):
            volumes = value.inputs["spec"]["template"]["spec"]["volumes"]
            next(each for each in volumes if "configMap" in each)["configMap"]["name"] = "vpn-config"
    assert {named(value["kind"], value["metadata"].get("name"), value) for value in shown} == {
        named(value.inputs["kind"], value.inputs["metadata"].get("name"), value.inputs) for value in in_cluster
    }


def test_reference_takes_the_output_of_a_name(declared):
    def program():
        name = pulumi.Output.from_input("made")
        reference = {"secretKeyRef": {"name": name, "key": "k"}}
        oidc = {"issuer": "https://id.example.com", "client_id": reference, "client_secret": reference}
        config = {**SMALLEST["config"], "oidc": oidc}
        files = {"/etc/tls/a": reference, "/etc/tls/b": {"configMapKeyRef": {"name": name, "key": "k"}}}
        Headscale("vpn", {**SMALLEST, "config": config, "files": files, "pod": {"env": {"TOKEN": reference}}})

    made = declared(program)

    pod = made["vpn", "StatefulSet"].inputs["spec"]["template"]["spec"]
    variables = {each["name"]: each.get("valueFrom") for each in pod["containers"][0]["env"]}
    for name in ("HEADSCALE_OIDC_CLIENT_ID", "HEADSCALE_OIDC_CLIENT_SECRET", "TOKEN"):
        assert variables[name]["secretKeyRef"] == {"name": "made", "key": "k"}
    sources = next(each["projected"]["sources"] for each in pod["volumes"] if each["name"] == "files-0")
    assert [next(iter(source.values()))["name"] for source in sources] == ["made", "made"]


def test_encrypted_setting_reaches_headscale_by_a_secret(declared):
    oidc = {"issuer": "https://id.example.com", "client_id": "h", "client_secret": "hunter2"}
    stack = {"vpn": {**SMALLEST, "config": {**SMALLEST["config"], "oidc": oidc}}}

    def program():
        for name, spec in load_instances(mark_secret_paths(stack)).items():
            Headscale(name, spec)

    made = declared(program)

    secret = made["vpn-config-secrets", "Secret"].inputs
    assert secret["stringData"]["value"] == {"oidc.client_secret": "hunter2"}, "marked as a secret on the wire"
    assert [name for name, value in made.items() if "hunter2" in str(value.inputs)] == [
        ("vpn-config-secrets", "Secret")
    ]


def test_unknown_newer_version_gives_a_warning(declared, monkeypatch):
    messages = []
    monkeypatch.setattr(pulumi, "warn", lambda text, *_, **__: messages.append(text))

    declared(lambda: Headscale("vpn", {**SMALLEST, "version": "v0.31.0"}))

    assert messages == [
        "vpn: Headscale v0.31.0 is newer than what is known here; it is configured as 0.29 is [version-not-known]"
    ]


def test_connection_follows_the_given_provider(declared):
    def program():
        provider = k8s.Provider("elsewhere", kubeconfig="a: 1", context="north")
        Headscale("vpn", SMALLEST, pulumi.ResourceOptions(provider=provider))

    inputs = declared(program)["vpn-connection", "pulumi-python"].inputs

    assert (inputs["headscale:context"], inputs["headscale:cluster"]) == ("north", "")


def test_instance_may_have_another_name_than_its_resource(declared):
    made = declared(lambda: Headscale("north", SMALLEST, instance="vpn"))

    for kind in ("StatefulSet", "Service", "ServiceAccount", "Role", "RoleBinding"):
        assert made["north", kind].inputs["metadata"]["name"] == "vpn"
    assert made["north-connection", "pulumi-python"].inputs["headscale:instance"] == "vpn"
    assert made["north-rollout", "Rollout"].inputs["instance"] == "vpn"


@pytest.mark.parametrize(
    ("add", "problem"),
    [
        (lambda vpn: vpn.user("Alice!"), "users.Alice!: `Alice!`"),
        (lambda vpn: vpn.user("bob", {"email": "nobody"}), "users.bob.email: must be an e-mail address"),
        (lambda vpn: vpn.pre_auth_key("k", {"tags": ["ci"]}), "preAuthKeys.k.tags"),
        (lambda vpn: vpn.api_key("ui", {"expiration": "1h", "rotationBuffer": "2h"}), "apiKeys.ui.rotationBuffer"),
        (lambda vpn: vpn.api_key("ui", {"secretName": "laptop"}), "apiKeys.ui"),
        (lambda vpn: vpn.user("declared"), "users.declared: is declared already"),
        (lambda vpn: vpn.user("added"), "users.added: is declared already"),
        (lambda vpn: vpn.pre_auth_key("laptop", {"tags": ["tag:a"]}), "preAuthKeys.laptop: is declared already"),
        (lambda vpn: vpn.pre_auth_key("added", {"tags": ["tag:a"]}), "preAuthKeys.added: is declared already"),
        (lambda vpn: vpn.api_key("panel"), "apiKeys.panel: is declared already"),
        (lambda vpn: vpn.api_key("added-ui"), "apiKeys.added-ui: is declared already"),
    ],
)
def test_added_resources_obey_the_stack_rules(declared, add, problem):
    def program():
        declared_before = {"users": {"declared": {}}, "preAuthKeys": {"laptop": {"tags": ["tag:a"]}}}
        vpn = Headscale("vpn", {**SMALLEST, **declared_before, "apiKeys": {"panel": {}}})
        vpn.user("added")
        vpn.pre_auth_key("added", {"tags": ["tag:a"]})
        vpn.api_key("added-ui")
        with pytest.raises(SpecError) as error:
            add(vpn)
        assert problem in str(error.value)

    declared(program)


@pytest.mark.parametrize("name", ["Vpn", "a" * 53, "default"])
def test_name_that_cannot_be_is_refused(declared, name):
    def program():
        with pytest.raises(SpecError, match=r"^instance: "):
            Headscale("north", SMALLEST, instance=name)

    assert not declared(program)


def test_section_with_none_is_declared_with_defaults(declared):
    def of(args):
        made = declared(lambda: Headscale("vpn", args))
        return {key: resource.inputs for key, resource in made.items()}

    assert of({**SMALLEST, "pod": None, "users": None, "files": {}, "connection": None}) == of(SMALLEST)


@pytest.mark.parametrize("asked", [True, False])
def test_server_check_reaches_the_policy(declared, asked):
    policy = {"acls": [], **({"serverCheck": True} if asked else {})}
    instance = {**SMALLEST, "version": "v0.29.0", "policy": policy}

    resources = declared(lambda: Headscale("vpn", instance))

    inputs = resources["vpn-policy", "Policy"].inputs
    assert (inputs.get("server_check"), json.loads(inputs["policy"])) == (asked or None, {"acls": []})
