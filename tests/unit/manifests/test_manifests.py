"""The objects that an instance becomes, without engine and cluster."""

import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import pulumi
import pytest
import yaml

from headscale_component.manifests import (
    config_map,
    config_yaml,
    files,
    names,
    persistent_volume_claim,
    role,
    service,
    stateful_set,
)
from headscale_component.render import documents
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.pod_rules import volumes_of_component
from headscale_component.stack_file import documents as documents_of_stacks
from headscale_component.stack_file.go_yaml import read_yaml

REPOSITORY = Path(__file__).parents[3]


def an_instance(config=None, **changes):
    return HeadscaleArgs.model_validate(
        {
            "version": "v0.28.0",
            "config": {"server_url": "https://vpn.example.com", **(config or {})},
            **changes,
        }
    )


def plain(value):
    """Return Kubernetes arguments as the plain tree that reaches the provider."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__") and getattr(value, "_PULUMI_TYPE", None) != "leaf" and not isinstance(value, str):
        return plain(value.__dict__)
    return value


def the_pod(spec):
    addresses = service.listen_addresses(spec, config_yaml.config_tree(spec))
    made = stateful_set.stateful_set("vpn", spec, config_map="vpn-config-1", addresses=addresses, environment=[])
    return plain(made)["spec"]["template"]["spec"]


def rendered(spec):
    return yaml.safe_load(cast("str", config_map.config_text(spec)))


def test_the_pod_meets_the_restricted_pod_security_standard():
    pod = the_pod(an_instance())

    assert pod["security_context"]["run_as_non_root"] is True
    assert pod["security_context"]["seccomp_profile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["security_context"]
        assert context["allow_privilege_escalation"] is False
        assert context["read_only_root_filesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_only_the_sidecar_gets_a_token():
    pod = the_pod(an_instance())
    mounts = {container["name"]: {m["name"] for m in container["volume_mounts"]} for container in pod["containers"]}

    assert pod["automount_service_account_token"] is False
    assert "service-account-token" in mounts["apikey-manager"]
    assert "service-account-token" not in mounts["headscale"]


def test_instance_without_sidecar_keeps_its_socket_directory():
    """The seed operator's B2: its pod named an account that nobody made, and had no writable socket directory."""
    pod = the_pod(an_instance(apiKey={"autoManage": False}))

    assert [container["name"] for container in pod["containers"]] == ["headscale"]
    assert "service_account_name" not in pod
    assert "/var/run/headscale" in {mount["mount_path"] for mount in pod["containers"][0]["volume_mounts"]}


def test_grpc_without_sidecar_listens_on_loopback():
    config = rendered(an_instance(apiKey={"autoManage": False}))

    assert (config["grpc_listen_addr"], config["grpc_allow_insecure"]) == ("127.0.0.1:50443", True)
    assert rendered(an_instance())["grpc_allow_insecure"] is False


def test_ports_probes_and_services_follow_the_configuration():
    tls = {"tls_cert_path": "/var/lib/headscale/c", "tls_key_path": "/var/lib/headscale/k"}
    spec = an_instance({"listen_addr": "0.0.0.0:9999", "metrics_listen_addr": "[::]:9100", **tls})
    addresses = service.listen_addresses(spec, config_yaml.config_tree(spec))
    headscale = the_pod(spec)["containers"][0]

    assert {port["name"]: port["container_port"] for port in headscale["ports"]} == {
        "http": 9999,
        "grpc": 50443,
        "metrics": 9100,
    }
    assert headscale["readiness_probe"]["http_get"] == {"path": "/health", "port": "http", "scheme": "HTTPS"}
    assert [port["port"] for port in plain(service.service("vpn", spec, addresses))["spec"]["ports"]] == [
        9999,
        50443,
    ]
    assert [port["port"] for port in plain(service.metrics_service("vpn", spec, addresses))["spec"]["ports"]] == [
        9100,
        8081,
    ]


def test_acme_certificate_is_requested_by_name():
    """Headscale shows it to nobody else, and kubelet asks an address."""
    spec = an_instance(config={"tls_letsencrypt_hostname": "vpn.example.com"})

    headscale, sidecar = the_pod(spec)["containers"]

    for probe in ("startup_probe", "readiness_probe", "liveness_probe"):
        assert headscale[probe]["tcp_socket"] == {"port": "http"}
        assert "http_get" not in headscale[probe]
    assert {"name": "HEADSCALE_SERVER_NAME", "value": "vpn.example.com"} in sidecar["env"]


def test_the_sidecar_answers_probes_on_both_families():
    """Kubelet asks at the pod's address, of IPv6 where the cluster has no other."""
    _, sidecar = the_pod(an_instance())["containers"]

    assert {"name": "HEALTH_LISTEN", "value": ":8081"} in sidecar["env"]


def test_the_embedded_relay_answers_stun_over_udp():
    """The seed operator's B10."""
    spec = an_instance({"derp": {"server": {"enabled": True}, "urls": []}})
    addresses = service.listen_addresses(spec, config_yaml.config_tree(spec))

    assert {"name": "stun", "port": 3478, "target_port": 3478, "protocol": "UDP"} in plain(
        service.service("vpn", spec, addresses)
    )["spec"]["ports"]
    derp = rendered(spec)["derp"]
    assert derp["urls"] == []
    assert "ipv4" not in derp["server"], "the example's addresses are documentation's, nobody is there"


def test_config_map_is_immutable_and_named_by_provider():
    """A name made of the content meets itself again where a failed change is taken back (seen on the real engine)."""
    spec = an_instance()
    made = plain(config_map.config_map("vpn", spec, config_map.config_text(spec)))

    assert made["immutable"] is True
    assert "name" not in made["metadata"]
    assert made == plain(config_map.config_map("vpn", spec, config_map.config_text(spec)))


def test_service_port_80_leads_to_acme_listener():
    spec = an_instance({"tls_letsencrypt_hostname": "vpn.example.com"})
    addresses = service.listen_addresses(spec, config_yaml.config_tree(spec))

    ports = {port["name"]: port for port in plain(service.service("vpn", spec, addresses))["spec"]["ports"]}

    assert (ports["acme"]["port"], ports["acme"]["target_port"]) == (80, 8089)
    assert {"name": "acme", "container_port": 8089, "protocol": "TCP"} in the_pod(spec)["containers"][0]["ports"]


FILES = {
    "/etc/headscale-tls/tls.crt": {"secretKeyRef": {"name": "vpn-tls", "key": "tls.crt"}},
    "/etc/headscale-tls/ca.crt": {"configMapKeyRef": {"name": "ca", "key": "ca"}},
    "/etc/headscale-maps/derp.yaml": {"inline": "regions: {}"},
}


def test_each_folder_of_files_is_one_volume():
    spec = an_instance(files=FILES)
    pod = the_pod(spec)

    mounts = {mount["mount_path"]: mount["name"] for mount in pod["containers"][0]["volume_mounts"]}
    volumes = {volume["name"]: volume.get("projected") for volume in pod["volumes"]}

    assert [
        source.get("secret", source.get("config_map"))["name"]
        for source in volumes[mounts["/etc/headscale-tls"]]["sources"]
    ] == ["ca", "vpn-tls"]
    (inline,) = volumes[mounts["/etc/headscale-maps"]]["sources"]
    key = inline["config_map"]["items"][0]["key"]
    assert inline["config_map"]["items"] == [{"key": key, "path": "derp.yaml"}]
    assert cast("dict[str, str]", config_map.config_map("vpn", spec, "").data)[key] == "regions: {}"


def test_additions_to_the_pod_are_passed_on():
    more = {
        "labels": {"team": "net"},
        "annotations": {"a": "b"},
        "env": {"TZ": "UTC", "TOKEN": {"secretKeyRef": {"name": "s", "key": "k"}}},
        "resources": {"requests": {"memory": "1Gi"}},
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "containers": [{"name": "backup", "image": "litestream"}],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "high",
    }
    pod = the_pod(an_instance(pod=more))
    headscale = pod["containers"][0]

    assert [container["name"] for container in pod["containers"]] == ["headscale", "apikey-manager", "backup"]
    assert {"name": "TZ", "value": "UTC"} in headscale["env"]
    assert headscale["resources"] == {"requests": {"memory": "1Gi"}}
    assert {"name": "scratch", "mountPath": "/scratch"} in headscale["volume_mounts"]
    assert {"name": "scratch", "emptyDir": {}} in pod["volumes"]
    assert (pod["node_selector"], pod["priority_class_name"]) == ({"disk": "ssd"}, "high")
    assert pod["tolerations"] == [{"operator": "Exists"}]


def test_an_empty_value_stays_empty():
    """The seed operator's B9: what was empty there was filled with defaults again."""
    config = rendered(an_instance({"dns": {"search_domains": []}, "prefixes": {"v6": ""}, "metrics_listen_addr": ""}))

    assert config["dns"]["search_domains"] == []
    assert config["prefixes"]["v6"] == ""
    assert config["metrics_listen_addr"] == ""


def test_ephemeral_timeout_has_the_key_of_its_version():
    old, new = rendered(an_instance()), rendered(an_instance(version="v0.29.3"))

    assert (old["ephemeral_node_inactivity_timeout"], "node" in old) == ("30m", False)
    assert new["node"]["ephemeral"]["inactivity_timeout"] == "30m"
    assert "ephemeral_node_inactivity_timeout" not in new


@pytest.mark.usefixtures("event_loop")
def test_secrets_stay_out_of_the_config_map():
    reference = {"secretKeyRef": {"name": "oidc", "key": "client-secret"}}
    spec = an_instance(
        {
            "oidc": {"issuer": "https://id.example.com", "client_id": "h", "client_secret": reference},
            "database": {
                "type": "postgres",
                "postgres": {"host": "db", "name": "h", "user": "h", "pass": pulumi.Output.secret("hunter2")},
            },
        }
    )

    assert "client_secret" not in rendered(spec)["oidc"]
    assert "pass" not in rendered(spec)["database"]["postgres"]
    assert rendered(spec)["database"]["postgres"]["host"] == "db"
    assert set(config_yaml.secret_leaves(spec.config)) == {
        ("oidc", "client_secret"),
        ("database", "postgres", "pass"),
    }


TEXTS = ("1e3", "12E+03", "0.1e1", "08", "0o17", "0O17", "0X1F", "0B1", "+.5", "1_e3", "0770", "yes", "2024-1-1", "~")


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_a_text_to_headscales_reader(text):
    written = config_yaml.to_yaml({"oidc": {"client_id": text, "extra_params": {text: text}}})

    read = read_yaml(written)

    assert documents_of_stacks.plain(read) == {"oidc": {"client_id": text, "extra_params": {text: text}}}


def test_numbers_and_addresses_are_written_without_quotes():
    tree = {
        "a": "0.0.0.0:8080",
        "b": 1.5,
        "c": "30m",
        "d": 8080,
        "e": "100.64.0.0/10",
        "f": "fd7a::/48",
        "g": "1.1.1.1",
    }

    assert config_yaml.to_yaml(tree) == "".join(f"{key}: {value}\n" for key, value in tree.items())


def test_sidecar_role_is_limited_to_its_objects():
    rules = plain(role.role("vpn", an_instance()))["rules"]

    assert [(rule["resources"], rule.get("resource_names"), rule["verbs"]) for rule in rules] == [
        (["secrets"], ["headscale-api-key"], ["get", "create", "update", "patch"]),
        (["statefulsets"], ["vpn"], ["get"]),
        (["persistentvolumeclaims"], ["data-vpn-0"], ["get", "patch"]),
        (["events"], None, ["create"]),
    ]


@pytest.mark.parametrize("retain", [True, False])
def test_replaced_stateful_set_keeps_its_pvc(retain):
    """With `retain: false` the rollout deletes the claim, and no replacement of the StatefulSet does."""
    spec = an_instance(retain=retain)
    made = plain(stateful_set.stateful_set("vpn", spec, config_map="c", addresses={}, environment=[]))["spec"]

    assert made["persistent_volume_claim_retention_policy"] == {"when_deleted": "Retain", "when_scaled": "Retain"}
    assert names.pvc_name("vpn") == "data-vpn-0"


def test_size_and_class_reach_the_pvc_template():
    spec = an_instance(persistentVolumeClaim={"size": "5Gi", "storageClassName": "fast"})

    claim = plain(persistent_volume_claim.claim_template("vpn", spec))["spec"]

    assert claim["storage_class_name"] == "fast"
    assert claim["resources"] == {"requests": {"storage": "5Gi"}}


def test_image_pull_secrets_and_image_reach_the_pod():
    pod = the_pod(an_instance(image="registry.example.com/headscale", imagePullSecrets=["regcred"]))

    assert pod["image_pull_secrets"] == [{"name": "regcred"}]
    assert pod["containers"][0]["image"] == "registry.example.com/headscale:v0.28.0"


def test_public_names_load_no_pulumi_until_used():
    program = (
        "import sys, headscale_component as h; h.HeadscaleArgs; "
        "print('pulumi' in sys.modules, h.__all__ == sorted(h.__all__))"
    )

    messages = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )

    assert messages.stdout.split() == ["False", "True"]


def test_equal_durations_make_the_same_template():
    hours = the_pod(an_instance(apiKey={"expiration": "2160h", "rotationBuffer": "240h"}))
    days = the_pod(an_instance(apiKey={"expiration": "90d", "rotationBuffer": "10d"}))

    assert hours == days


def test_configuration_from_secrets_reaches_headscale_by_variables():
    def reference(key):
        return {"secretKeyRef": {"name": "platform", "key": key}}

    keys = ("host", "port", "name", "user", "pass")
    spec = an_instance(
        {
            "oidc": {
                "issuer": "https://id.example.com",
                "client_id": reference("id"),
                "client_secret": reference("secret"),
            },
            "database": {"type": "postgres", "postgres": {key: reference(key) for key in keys}},
        }
    )
    found = documents("vpn", spec)
    workload = next(document for document in found if document["kind"] == "StatefulSet")
    written = next(document for document in found if document["kind"] == "ConfigMap")["data"]["config.yaml"]
    variables = workload["spec"]["template"]["spec"]["containers"][0]["env"]

    assert {variable["name"]: variable["valueFrom"] for variable in variables} == {
        **{f"HEADSCALE_DATABASE_POSTGRES_{key.upper()}": reference(key) for key in keys},
        "HEADSCALE_OIDC_CLIENT_ID": reference("id"),
        "HEADSCALE_OIDC_CLIENT_SECRET": reference("secret"),
    }
    assert "platform" not in written
    assert not {"client_id", "client_secret"} & yaml.safe_load(written)["oidc"].keys()
    assert not set(keys) & yaml.safe_load(written)["database"]["postgres"].keys()


def test_each_inline_file_has_its_own_key():
    paths = ["/etc/a/b.crt", "/etc/a.b/crt", "/x/ü", "/x/a b", "/x/a.b"]
    spec = an_instance(files={path: {"inline": path} for path in paths})

    data = files.inline_data(spec)

    assert {*data.values()} == {*paths}
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key) for key in data)
    sources = [
        item
        for volume in files.volumes(spec, "vpn-config")
        for source in plain(volume)["projected"]["sources"]
        for item in source["config_map"]["items"]
    ]
    assert {item["key"] for item in sources} == set(data)


def test_inline_file_key_is_path_with_dots():
    assert set(files.inline_data(an_instance(files={"/etc/tls-a/b_c.crt": {"inline": "x"}}))) == {
        "files.etc.tls-a.b_c.crt"
    }


def metrics_ports(config, **changes):
    """Return the ports of the metrics Service, None where there is none."""
    found = documents("vpn", an_instance(config, **changes))
    services = [item for item in found if item["kind"] == "Service" and item["metadata"]["name"] == "vpn-metrics"]
    return [port["port"] for port in services[0]["spec"]["ports"]] if services else None


@pytest.mark.parametrize("address", ["127.0.0.1:9090", "", None])
def test_metrics_that_nobody_reaches_have_no_port(address):
    assert metrics_ports({"metrics_listen_addr": address}) == [8081]
    assert metrics_ports({"metrics_listen_addr": address}, apiKey={"autoManage": False}) is None


def test_metrics_of_headscale_have_a_port():
    assert metrics_ports({}) == [9090, 8081]
    assert metrics_ports({}, apiKey={"autoManage": False}) == [9090]


@pytest.mark.parametrize("managed", [True, False])
def test_names_of_volumes_are_those_that_rules_know(managed):
    inline = {path: {"inline": "x"} for path in ("/etc/a/x", "/etc/a/y", "/etc/b/x")}
    spec = an_instance(files=inline, apiKey={"autoManage": managed})
    (workload,) = [item["spec"] for item in documents("vpn", spec) if item["kind"] == "StatefulSet"]

    volumes = [volume["name"] for volume in workload["template"]["spec"]["volumes"]]
    claims = [claim["metadata"]["name"] for claim in workload["volumeClaimTemplates"]]
    assert sorted([*volumes, *claims]) == sorted(volumes_of_component(spec))
