"""What a stack file may say, and what a person reads when it says something else."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from headscale_component.spec import HeadscaleArgs, SpecError, load_instances
from headscale_component.spec.model import EncryptedValue

REPOSITORY = Path(__file__).parents[3]


def an_instance(**changes):
    return {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com"}, **changes}


def problems(**changes):
    with pytest.raises(SpecError) as caught:
        load_instances({"vpn": an_instance(**changes)})
    return {str(problem).removeprefix("headscale:instances.vpn.") for problem in caught.value.problems}


def the_problem(**changes):
    found = problems(**changes)
    assert len(found) == 1, found
    return found.pop()


def test_quick_start_of_the_operator_accepts_both_spellings():
    camel = {
        "autoManage": True,
        "secretName": "headscale-api-key",
        "expiration": "2160h",
        "rotationBuffer": "240h",
    }
    snake = {
        "auto_manage": True,
        "secret_name": "headscale-api-key",
        "expiration": "2160h",
        "rotation_buffer": "240h",
        "overlap": "10m",
    }
    config = {
        "server_url": "http://vpn.headscale.local",
        "grpc_allow_insecure": True,
        "derp": {"server": {"enabled": False}},
        "disable_check_updates": False,
        "database": {"type": "sqlite"},
        "dns": {"magic_dns": False},
    }

    one, other = (
        load_instances({"headscale-sample": {"version": "v0.28.0", "replicas": 1, "config": config, key: value}})
        for key, value in (("apiKey", camel), ("api_key", snake))
    )

    assert one == other
    assert one["headscale-sample"].config.disable_check_updates is False


@pytest.mark.parametrize("stack", sorted((REPOSITORY / "stacks").glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_every_stack_of_the_repository_is_valid(stack):
    assert load_instances(yaml.safe_load(stack.read_text())["config"]["headscale:instances"])


BAD: dict[str, Any] = {
    "an unknown key names the nearest": ({"imagee": "x"}, "imagee: unknown key; did you mean `image`?"),
    "an unknown key of the configuration names the nearest": (
        {"config": {"server_url": "http://a", "polcy": {}}},
        "config.polcy: unknown key; did you mean `policy`?",
    ),
    "a bad duration": (
        {"preAuthKeys": {"ci": {"tags": ["tag:ci"], "expiration": "1 day"}}},
        "preAuthKeys.ci.expiration: `1 day` is no duration; write a number and a unit (s, m, h, d), "
        "for example `1h30m` or `90d`",
    ),
    "never": (
        {"preAuthKeys": {"ci": {"tags": ["tag:ci"], "expiration": "never"}}},
        "preAuthKeys.ci.expiration: `never` is not possible in Headscale, every key expires; "
        "give a duration, for example `90d`",
    ),
    "a time of nothing": (
        {"preAuthKeys": {"ci": {"tags": ["tag:ci"], "expiration": "0s"}}},
        "preAuthKeys.ci.expiration: `0s` is over before it begins; give a time above zero, for example `24h` or `90d`",
    ),
    "both owners": (
        {"users": {"bob": {}}, "preAuthKeys": {"ci": {"user": "bob", "userId": 5}}},
        "preAuthKeys.ci: `user` and `userId` are both given; keep one of them",
    ),
    "no owner and no tags": (
        {"preAuthKeys": {"ci": {}}},
        "preAuthKeys.ci: belongs to nobody: give `user`, `userId` or `tags`",
    ),
    "an undeclared user": (
        {"preAuthKeys": {"ci": {"user": "bob"}}},
        "preAuthKeys.ci.user: `bob` is not under `users` (none is declared); "
        "add it there, or give the `userId` of a user from elsewhere",
    ),
    "a tag that is none": (
        {"preAuthKeys": {"ci": {"tags": ["Tag:CI"]}}},
        "preAuthKeys.ci.tags[0]: `Tag:CI` is no tag: write `tag:` and a name of a-z, 0-9 and `-` "
        "that begins with a letter, as `tag:ci`",
    ),
    "a username with a space": (
        {"users": {"Bad Name": {}}},
        "users.Bad Name: `Bad Name` is no user name: write letters, digits, `-`, `.`, `_` and at most one `@`, "
        "beginning with a letter or digit, as `alice`, `first.last` or `alice@example.com`",
    ),
    "a username as a policy writes it": (
        {"users": {"alice@": {}}},
        "users.alice@: `alice@` is how a policy writes the name; write `alice` here",
    ),
    "a username that 0.26 refuses": (
        {"version": "v0.26.1", "users": {"2fast": {}}},
        "users.2fast: Headscale 0.26 takes names of two characters or more that do not begin with a digit, without "
        "`+`; choose another name, or upgrade to 0.27",
    ),
    "one user that is adopted twice": (
        {"users": {"alice": {"adopt": 5}, "bob": {"adopt": 5}}},
        "users.bob.adopt: `5` is adopted by `alice` too; one of them is wrong",
    ),
    "an id that is no number": (
        {"preAuthKeys": {"ci": {"userId": "alice"}}},
        "preAuthKeys.ci.userId: `alice` is no user id; Headscale's ids are whole numbers from 1, "
        "see `headscale users list`",
    ),
    "a rename to the same name": (
        {"users": {"alicia": {"renamedFrom": "alicia"}}},
        "users.alicia.renamedFrom: is the name that it has; leave it out",
    ),
    "a key of one that has another name now": (
        {"users": {"alicia": {"renamedFrom": "alice"}}, "preAuthKeys": {"k": {"user": "alice"}}},
        "preAuthKeys.k.user: `alice` is `alicia` now; write that",
    ),
    "an adoption of nobody": (
        {"users": {"alice": {"adopt": "abc"}}},
        "users.alice.adopt: is `true`, `false`, or Headscale's id of the user, see `headscale users list`",
    ),
    "a user that goes with its nodes and stays": (
        {"users": {"alice": {"forceDelete": True, "retain": True}}},
        "users.alice: `forceDelete` and `retain` contradict each other; keep one of them",
    ),
    "an id that no database holds": (
        {"preAuthKeys": {"k": {"userId": "99999999999999999999"}}},
        "preAuthKeys.k.userId: `99999999999999999999` is no user id; Headscale's ids are whole numbers from 1, see "
        "`headscale users list`",
    ),
    "an overlap that a key does not live through": (
        {"apiKeys": {"ui": {"overlap": "3000h"}}},
        "apiKeys.ui.overlap: `3000h` is longer than the rotation buffer, `240h`: the key ends before; write less",
    ),
    "an address in clear": (
        {"connection": {"channel": "direct", "address": "http://vpn", "apiKeySecret": "s"}},
        "connection.address: `http://vpn` is no address: write `host:port` for gRPC, or `https://host` for REST; no "
        "key goes in clear",
    ),
    **{
        f"an address that is {what}": (
            {"connection": {"channel": "direct", "address": address, "apiKeySecret": "s"}},
            f"connection.address: `{shown}` is no address: write `host:port` for gRPC, or `https://host` for REST; no "
            "key goes in clear",
        )
        for what, address, shown in (
            ("of no port", "vpn:99999", "vpn:99999"),
            ("of port 0", "vpn:0", "vpn:0"),
            ("of a port in letters", "https://vpn:abc", "https://vpn:abc"),
            ("no host", "https://?", "https://?"),
            ("a query", "https://vpn?x", "https://vpn?x"),
            ("with a password", "https://u:p@vpn", "https://vpn"),
        )
    },
    "gRPC where there is none": (
        {"connection": {"channel": "direct", "address": "vpn:50443", "apiKeySecret": "s"}, "version": "v0.30.0"},
        "connection.address: Headscale 0.30 and newer have no gRPC; write `https://` and the host",
    ),
    "an address that nobody asks for": (
        {"connection": {"address": "https://vpn"}},
        "connection.address: is for `channel: direct`; write that too, or leave it out",
    ),
    "ports that are too high": (
        {"policy": {"acls": [{"action": "accept", "src": ["*"], "dst": ["*:70000"]}]}},
        "policy.acls[0].dst[0]: `*:70000` has no ports; write them behind it, as `tag:web:443`, `web:80,8000-8100` or "
        "`*:*`",
    ),
    "a protocol that is none": (
        {"policy": {"acls": [{"action": "accept", "proto": "foo", "src": ["*"], "dst": ["*:*"]}]}},
        "policy.acls[0].proto: `foo` is no protocol; write `tcp`, `udp`, `icmp`, or 6",
    ),
    "a rename of one that is still there": (
        {"users": {"alice": {}, "alicia": {"renamedFrom": "alice"}}},
        "users.alicia.renamedFrom: `alice` is still under `users`; where that is the same person, remove it there; "
        "where names are passed on or swapped, rename one user in each `pulumi up`, by a name in between",
    ),
    "a renewal without end": (
        {"preAuthKeys": {"ci": {"tags": ["tag:ci"], "renewBefore": "1h"}}},
        "preAuthKeys.ci.renewBefore: `1h` is not below the expiration, `1h`: every `pulumi up` would make a new key; "
        "write less",
    ),
    "a name in a Secret that is taken": (
        {"preAuthKeys": {"ci": {"tags": ["tag:ci"], "secretKey": "a/b"}}},
        "preAuthKeys.ci.secretKey: `a/b` cannot name the key in a Secret: write letters, digits, `-`, `_` and `.`, as "
        "`TS_AUTHKEY`; `expiration` and `created-at` are taken",
    ),
    "a label that is ours": (
        {"apiKeys": {"ui": {"secretLabels": {"app.kubernetes.io/instance": "x"}}}},
        "apiKeys.ui.secretLabels: `app.kubernetes.io/instance` is written by this component itself; "
        "choose another name",
    ),
    "REST by the relay": (
        {"connection": {"transport": "rest"}},
        "connection.transport: is for `channel: pod`; with `relay` it is found out, leave it out",
    ),
    "a policy that is a file's": (
        {"policy": {"acls": []}, "config": {"server_url": "http://a", "policy": {"mode": "file"}}},
        "policy: needs `policy.mode: database` in `config`; from a file Headscale takes no other",
    ),
    "a group that is nowhere": (
        {"policy": {"acls": [{"action": "accept", "src": ["group:a"], "dst": ["*:*"]}]}},
        "policy.acls[0].src[0]: `group:a` is not under `groups`; add it there",
    ),
    "a tag that nobody owns": (
        {"policy": {"acls": [{"action": "accept", "src": ["*"], "dst": ["tag:web:443"]}]}},
        "policy.acls[0].dst[0]: `tag:web` is not under `tagOwners`; add it there",
    ),
    "a host that is nowhere": (
        {"policy": {"grants": [{"src": ["*"], "dst": ["web"], "ip": ["443"]}]}, "version": "v0.29.3"},
        "policy.grants[0].dst[0]: `web` is not under `hosts`; add it there, or write a user as `web@`",
    ),
    "a rule without ports": (
        {"policy": {"acls": [{"action": "accept", "src": ["*"], "dst": ["tag:web"]}]}},
        "policy.acls[0].dst[0]: `tag:web` has no ports; write them behind it, as `tag:web:443`, `web:80,8000-8100` "
        "or `*:*`",
    ),
    "a rule that is misspelt": (
        {"policy": {"acls": [{"action": "accept", "scr": ["*"], "src": ["*"], "dst": ["*:*"]}]}},
        "policy.acls[0].scr: unknown key; did you mean `src`?",
    ),
    "a section that is too new": (
        {"policy": {"tests": [{"src": "*", "accept": ["*:22"]}]}},
        "policy.tests: needs Headscale 0.29 or newer; leave it out",
    ),
    "a group in a group": (
        {"policy": {"groups": {"group:a": ["group:b"], "group:b": []}}},
        "policy.groups.group:a[0]: `group:b` may not stand here, but a user (`alice@`) may",
    ),
    "a policy's user that is nowhere": (
        {"policy": {"groups": {"group:a": ["bob@"]}}},
        "policy.groups.group:a[0]: `bob@` is not under `users`; declare it there, with `adopt: true` where it "
        "exists already",
    ),
    "an approver that is nowhere": (
        {"policy": {"autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router"]}}}},
        'policy.autoApprovers.routes["10.0.0.0/8"][0]: `tag:router` is not under `tagOwners`; add it there',
    ),
    "a policy's file that is nowhere": (
        {"policy": {"file": "no/such.hujson"}},
        "policy.file: `no/such.hujson` cannot be read: No such file or directory; it is sought from the project's "
        "folder",
    ),
    "a picture that is no web address": (
        {"users": {"bob": {"pictureURL": "ftp://example.com/a"}}},
        "users.bob.pictureURL: must be an http:// or https:// URL of at most 2048 characters",
    ),
    "a name that is too long": (
        {"users": {"bob": {"displayName": "x" * 256}}},
        "users.bob.displayName: has 256 characters; at most 255 are allowed",
    ),
    "an e-mail address that is too long": (
        {"users": {"bob": {"email": "x" * 320 + "@a.b"}}},
        "users.bob.email: must be an e-mail address of at most 320 characters, for example `alice@example.com`",
    ),
    "two keys in one Secret": (
        {"preAuthKeys": {"a": {"tags": ["tag:a"]}, "b": {"tags": ["tag:b"], "secretName": "a"}}},
        "preAuthKeys.b.secretName: Secret `a` is written by `preAuthKeys.a` too; name another one",
    ),
    "a key in the instance's own Secret": (
        {"preAuthKeys": {"headscale-api-key": {"tags": ["tag:a"]}}},
        "preAuthKeys.headscale-api-key.secretName: Secret `headscale-api-key` is written by `apiKey` too; "
        "name another one",
    ),
    "a buffer that is not below the expiration": (
        {"apiKey": {"expiration": "90d", "rotationBuffer": "2160h"}},
        "apiKey.rotationBuffer: `2160h` is not below the expiration, `90d`: the key would be replaced without end; "
        "write less, a tenth of the expiration is usual",
    ),
    "more than one replica": (
        {"replicas": 2},
        "replicas: 2 is more than 1: Headscale keeps its state in memory and takes no lock, so each replica would "
        "hand out its own tailnet; write 1",
    ),
    **{
        f"a version as {text}": (
            {"version": text},
            f"version: `{text}` is no exact version; write it in full, for example `v0.28.0`",
        )
        for text in ("v\u0660.28.0", "v00.28.0", "v0.28.00", "v0.28.0-beta..1", "v0.28.0-", "v0.28.0-.1")
    },
    "a floating version": (
        {"version": "latest"},
        "version: `latest` is no exact version; write it in full, for example `v0.28.0`",
    ),
    "a policy mode that Headscale would read as allow all": (
        {"config": {"server_url": "http://a", "policy": {"mode": "Database"}}},
        "config.policy.mode: must be `file` or `database`, not `Database`",
    ),
    "a base domain that holds the server": (
        {"config": {"server_url": "https://VPN.example.com:443", "dns": {"base_domain": "example.com"}}},
        "config.dns.base_domain: `example.com` holds the host of server_url, `vpn.example.com`: nodes would lose "
        "their way to Headscale; choose a domain of its own, as `tailnet.example.com`",
    ),
    "a file that hides what is there": (
        {"files": {"/etc/ssl/certs/ca.crt": {"inline": "x"}}},
        'files["/etc/ssl/certs/ca.crt"]: `/etc/ssl/certs` would hide what is there; give the file a folder of its own, '
        "as `/etc/headscale-tls/tls.crt`",
    ),
    "a file from nowhere": (
        {"files": {"/a/b": {}}},
        "files./a/b: needs exactly one of `inline`, `configMapKeyRef` and `secretKeyRef`",
    ),
    "a path that leads nowhere": (
        {"config": {"server_url": "http://a", "policy": {"mode": "file", "path": "/etc/policy.hujson"}}},
        "config.policy.path: `/etc/policy.hujson` is not there in the pod; give it under `files`, or name a file on "
        "the volume, in `/var/lib/headscale`",
    ),
    "a variable that would win over the configuration": (
        {"pod": {"env": {"HEADSCALE_SERVER_URL": "http://b"}}},
        "pod.env.HEADSCALE_SERVER_URL: `HEADSCALE_SERVER_URL` would win over the configuration, unchecked; write the "
        "key under `config`",
    ),
    "an image with a tag": (
        {"image": "localhost:5000/headscale:v0.27.0"},
        "image: `localhost:5000/headscale:v0.27.0` has a tag; write `localhost:5000/headscale`, and the tag as "
        "`version`",
    ),
    "a variable from nowhere": (
        {"pod": {"env": {"A": {}}}},
        "pod.env.A: needs exactly one of `configMapKeyRef` and `secretKeyRef`",
    ),
    "a variable of a type that none has": (
        {"pod": {"env": {"A": 5}}},
        'pod.env.A: must be a text or a mapping, not `5`; write it in quotes, `"5"`',
    ),
    "a variable from a Secret with a bad name": (
        {"pod": {"env": {"A": {"secretKeyRef": {"name": "A B", "key": "k"}}}}},
        "pod.env.A.secretKeyRef.name: is no name of a Kubernetes object: at most 253 of a-z, 0-9, `-` and `.`, as "
        "`headscale-oidc`; write the name, not the value",
    ),
    "a protocol that is a list": (
        {"policy": {"acls": [{"action": "accept", "proto": [], "src": ["*"], "dst": ["*:*"]}]}},
        "policy.acls[0].proto: must be a text or a whole number, not a list",
    ),
    "a key of the pod": ({"nodeSelector": {"a": "b"}}, "nodeSelector: unknown key; write it under `pod`"),
    "a key of the configuration": ({"log": {"level": "info"}}, "log: unknown key; write it under `config`"),
    "a section that is none": ({"pod": 5}, "pod: must be a mapping, not `5`"),
    "what 0.29 removed": (
        {"version": "v0.29.3", "config": {"server_url": "http://a", "randomize_client_port": False}},
        "config.randomize_client_port: 0.29 does not start with it, even when it is false; "
        "write `randomizeClientPort` in the policy instead",
    ),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_problem_names_path_rule_and_remedy(changes, message):
    assert the_problem(**changes) == message


def test_all_problems_are_reported_together():
    changes = copy.deepcopy({key: value for change, _ in list(BAD.values())[:1] for key, value in change.items()})
    found = problems(**changes, replicas=3, preAuthKeys={"x": {"expiration": "soon", "tag": []}}, users={"B C": {}})

    assert {line.split(":")[0] for line in found} == {
        "imagee",
        "replicas",
        "preAuthKeys.x",
        "preAuthKeys.x.expiration",
        "preAuthKeys.x.tag",
        "users.B C",
    }


def test_plain_secret_is_refused_and_hidden():
    oidc = {"issuer": "https://id.example.com", "client_id": "h", "client_secret": "hunter2"}

    message = the_problem(config={"server_url": "http://a", "oidc": oidc})

    assert message.startswith("config.oidc.client_secret: is a secret and would stand in clear; write `{secretKeyRef")
    assert "hunter2" not in message


def test_problems_of_all_instances_are_reported():
    with pytest.raises(SpecError) as caught:
        load_instances({"one": an_instance(replicas=2), "two": 5, "Three": an_instance(namespace="three")})

    paths = [str(problem).split(": ")[0] for problem in caught.value.problems]
    assert sorted(paths) == [
        "headscale:instances.Three",
        "headscale:instances.one.replicas",
        "headscale:instances.two",
    ]


def test_two_instances_may_not_write_one_secret():
    with pytest.raises(SpecError, match=r"two\.apiKey\.secretName: Secret `headscale-api-key` in `headscale` is"):
        load_instances({"one": an_instance(), "two": an_instance()})


@pytest.mark.parametrize("document", [None, [], "x", {}], ids=repr)
def test_document_without_instances_is_refused(document):
    with pytest.raises(SpecError, match="must be a mapping of names to instances"):
        load_instances(document)


def test_the_python_api_keeps_the_same_rules():
    with pytest.raises(SpecError, match="replicas: 2 is more than 1"):
        HeadscaleArgs(version="v0.28.0", config={"server_url": "http://a"}, replicas=2)


def test_defaults_are_stable():
    spec = HeadscaleArgs.model_validate(an_instance())

    assert (spec.namespace, spec.replicas, spec.retain, spec.create_namespace) == (
        "headscale",
        1,
        True,
        False,
    )
    assert spec.image == "headscale/headscale"
    assert spec.api_key.model_dump(exclude={"manager_image"}) == {
        "auto_manage": True,
        "secret_name": "headscale-api-key",
        "expiration": "2160h",
        "rotation_buffer": "240h",
        "overlap": "10m",
    }
    assert spec.config.disable_check_updates is True
    assert spec.config.policy.mode == "database"


def test_the_specification_loads_no_pulumi_and_no_grpc():
    program = (
        "import sys, headscale_component.spec; "
        "print([m for m in ('pulumi', 'pulumi_kubernetes', 'grpc', 'kr8s') if m in sys.modules])"
    )

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)

    assert loaded.stdout.strip() == "[]"


def test_user_of_another_instance_is_named():
    one = {**an_instance(), "namespace": "a", "users": {"alice": {}}}
    two = {**an_instance(), "namespace": "b", "preAuthKeys": {"x": {"user": "alice"}}}

    with pytest.raises(SpecError, match="instance `one` has a user of this name, and is another tailnet"):
        load_instances({"one": one, "two": two})


def test_oidc_user_need_not_be_declared():
    oidc = {
        "issuer": "https://id.example.com",
        "client_id": "a",
        "client_secret": {"secretKeyRef": {"name": "a", "key": "b"}},
    }
    spec = an_instance(
        config={"server_url": "http://a", "oidc": oidc}, policy={"groups": {"group:a": ["bob@example.com"]}}
    )

    assert HeadscaleArgs.model_validate(spec).policy.groups == {"group:a": ["bob@example.com"]}


ODD = {
    "a list for a name": {"preAuthKeys": {"k": {"user": ["a"]}}},
    "a number for users": {"users": 5, "preAuthKeys": {"k": {"user": "a"}}},
    "names that YAML reads as something else": {
        "users": {5: {}, False: {}, "a": {}},
        "preAuthKeys": {"k": {"user": "b"}},
    },
    "a list for a name of before": {"users": {"a": {"renamedFrom": ["b"]}}},
    "a number for a file": {"policy": {"file": 5}},
    "a number for mounts": {"pod": {"volumeMounts": 5}},
    "a list for users": {"users": ["a"], "preAuthKeys": {"k": {"user": "a"}}},
}


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_wrong_shapes_hide_no_other_problem(changes):
    said = problems(**changes, replicas=2)

    assert any("is more than 1" in problem for problem in said)
    assert len(said) > 1


def test_null_entry_takes_defaults():
    spec = load_instances({"vpn": an_instance(users={"alice": None}, apiKeys={"ui": None})})["vpn"]

    assert (set(spec.users), set(spec.api_keys)) == ({"alice"}, {"ui"})


METRICS = "vpn-metrics: makes Service `vpn-metrics`, as `vpn` does"
MET = {
    "preauth keys": (("team", "a-runner"), ("team-a", "runner"), "PreAuthKey `team-a-runner`"),
    "users": (("vpn", "test-bob"), ("vpn-test", "bob"), "User `vpn-test-bob`"),
    "API keys": (("team", "a-ui"), ("team-a", "ui"), "ApiKey `team-a-ui-api-key`"),
}
SECTIONS = {"preauth keys": "preAuthKeys", "users": "users", "API keys": "apiKeys"}


@pytest.mark.parametrize("what", MET)
def test_resources_with_one_urn_are_refused(what):
    (one, item), (other, others), resource = MET[what]
    section = SECTIONS[what]
    entry = {"tags": ["tag:ci"]} if section == "preAuthKeys" else {}
    first = {**an_instance(), "namespace": "a", section: {item: entry}}
    second = {**an_instance(), "namespace": "b", section: {others: entry}}

    with pytest.raises(SpecError) as refused:
        load_instances({one: first, other: second})

    (problem,) = [str(problem) for problem in refused.value.problems]
    where = f"headscale:instances.{other}.{section}.{others}"
    assert problem.startswith(f"{where}: makes {resource}, as `{one}.{section}.{item}` does")
    assert "rename the one of them that is not deployed yet" in problem


def test_instance_named_as_metrics_service_is_refused():
    with pytest.raises(SpecError, match=METRICS):
        load_instances({"vpn": an_instance(namespace="a"), "vpn-metrics": an_instance(namespace="b")})


def test_alias_equal_to_another_name_is_refused():
    one = an_instance(namespace="a", users={"carol": {"renamedFrom": "test-bob"}})
    two = an_instance(namespace="b", users={"bob": {}})

    with pytest.raises(SpecError, match=r"makes User `vpn-test-bob`, as `vpn.users.carol.renamedFrom` does"):
        load_instances({"vpn": one, "vpn-test": two})


def test_names_with_one_prefix_are_accepted():
    one = an_instance(namespace="a", users={"bob": {}}, preAuthKeys={"bob": {"user": "bob"}}, apiKeys={"ui": None})
    two = an_instance(namespace="b", users={"bob": {}}, preAuthKeys={"bob": {"user": "bob"}})

    assert set(load_instances({"vpn": one, "vpn-test": two})) == {"vpn", "vpn-test"}


DIGEST = f"sha256:{64 * '0'}"
IMAGES = ["headscale/headscale", "localhost:5000/headscale", f"a/b@{DIGEST}", f"a/b:v1@{DIGEST}"]


@pytest.mark.parametrize("image", IMAGES)
def test_image_without_tag_or_with_digest_is_taken(image):
    assert HeadscaleArgs.model_validate(an_instance(image=image)).image == image


UNKNOWN = EncryptedValue()
OUTPUTS = {
    "the namespace": {"namespace": UNKNOWN},
    "a Secret's name": {"apiKeys": {"ui": {"secretName": UNKNOWN}, "ci": {"secretName": UNKNOWN}}},
    "a Secret's namespace": {"preAuthKeys": {"k": {"tags": ["tag:a"], "secretNamespace": UNKNOWN}}},
}


@pytest.mark.parametrize("changes", OUTPUTS.values(), ids=OUTPUTS)
def test_names_known_to_pulumi_alone_are_taken(changes):
    one = an_instance(**changes)
    two = an_instance(**{"namespace": UNKNOWN, **changes})

    assert set(load_instances({"one": one, "two": two})) == {"one", "two"}


def test_namespace_to_create_needs_a_name():
    assert the_problem(namespace=UNKNOWN, createNamespace=True) == (
        "namespace: is an Output, and `createNamespace` needs the name itself; write the name, or make the Namespace "
        "in the program and leave `createNamespace` out"
    )


def test_output_of_pulumi_is_taken_for_names(event_loop):
    import pulumi

    name = pulumi.Output.from_input("team")
    spec = HeadscaleArgs.model_validate(
        an_instance(namespace=name, preAuthKeys={"k": {"tags": ["tag:a"], "secretName": name, "secretNamespace": name}})
    )

    key = spec.pre_auth_keys["k"]
    assert (spec.namespace, key.secret_name, key.secret_namespace) == (name, name, name)


NOT_FOR_OUTPUTS = {
    "version": ("version", "a text"),
    "flag": ("retain", "`true` or `false`"),
    "number": ("replicas", "a whole number"),
    "section": ("policy", "a mapping"),
    "list": ("silence", "a list"),
    "word": ("keysOnUserDeletion", "`refuse` or `recreate`"),
}


@pytest.mark.parametrize(("key", "expected"), NOT_FOR_OUTPUTS.values(), ids=NOT_FOR_OUTPUTS)
def test_output_in_the_wrong_place_is_named(event_loop, key, expected):
    import pulumi

    assert the_problem(**{key: pulumi.Output.from_input("x")}) == (
        f"{key}: must be {expected}, not an Output, which only Pulumi knows; write the value itself"
    )


@pytest.mark.parametrize("given", [None, [], "x"], ids=str)
def test_problem_of_the_whole_has_no_path(given):
    with pytest.raises(SpecError, match=r"^must be a mapping, not "):
        HeadscaleArgs.model_validate(given)


SPELLINGS = {
    "nothing": ({}, "refuse", "refuse"),
    "refuse": ({"keysOnUserDeletion": "refuse"}, "refuse", "refuse"),
    "recreate": ({"keysOnUserDeletion": "recreate"}, "recreate", "remake"),
    "the old word": ({"keysOnUserDeletion": "remake"}, "recreate", "remake"),
}


@pytest.mark.parametrize(("changes", "value", "stored"), SPELLINGS.values(), ids=SPELLINGS)
def test_keys_on_user_deletion_has_one_value(changes, value, stored):
    spec = HeadscaleArgs.model_validate(an_instance(**changes))

    assert (spec.keys_on_user_deletion, spec.stored_keys_on_user_deletion) == (value, stored)


def test_unknown_keys_on_user_deletion_is_refused():
    assert the_problem(keysOnUserDeletion="redo") == ("keysOnUserDeletion: must be `refuse` or `recreate`, not `redo`")


def test_plain_api_key_is_refused_and_hidden():
    message = the_problem(connection={"channel": "pod", "apiKey": "hunter2"})

    assert message == (
        "connection.apiKey: is a secret and would stand in clear; set it with `pulumi config set --secret --path`, or "
        "give a Pulumi secret in Python"
    )


def test_api_key_that_is_a_secret_is_taken():
    spec = HeadscaleArgs.model_validate(an_instance(connection={"channel": "pod", "apiKey": UNKNOWN}))

    assert spec.connection.api_key is UNKNOWN
