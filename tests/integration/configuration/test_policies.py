"""Policy validation agrees with real Headscales: the preview accepts and refuses what each version does."""

import json
import re
import subprocess
from typing import Any

import pytest

from headscale_component import SpecError
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.policy import policy_text
from headscale_core import HeadscaleError
from headscale_core.policy.lifecycle import crash_hint
from tests.integration.conftest import binary, running

VERSIONS = {"0.28": "v0.28.0", "0.29": "v0.29.3"}
OLDER = {"0.26": "v0.26.1", "0.27": "v0.27.1"}
OPEN = {"action": "accept", "src": ["*"], "dst": ["*:*"]}
NAMES = {
    "groups": {"group:a": ["alice@"]},
    "tagOwners": {"tag:a": ["group:a"], "tag:b": ["tag:a", "alice@"]},
    "hosts": {"web": "10.0.0.1", "net": "10.0.0.0/8"},
}


def acl(**changes):
    return {**NAMES, "acls": [{**OPEN, **changes}]}


def ssh(**changes):
    rule = {"action": "accept", "src": ["group:a"], "dst": ["tag:a"], "users": ["root"]}
    return {**NAMES, "ssh": [{**rule, **changes}]}


GOOD: dict[str, Any] = {
    "acl every kind of source": acl(
        src=["alice@", "group:a", "tag:a", "web", "net", "10.0.0.0/8", "100.64.0.1", "autogroup:member", "*"]
    ),
    "acl every kind of destination": acl(
        dst=["alice@:22", "group:a:22", "tag:a:22,80-90", "web:443", "10.0.0.0/8:*", "autogroup:internet:*", "*:*"]
    ),
    "acl autogroup:self destination": acl(src=["autogroup:member"], dst=["autogroup:self:*"]),
    "acl protocol name": acl(proto="icmp"),
    "acl protocol number": acl(proto="6"),
    "acl headscale-admin comment key": acl(**{"#note": "x"}),
    "acl IPv6 destination": acl(dst=["fd7a:115c:a1e0::1:22"]),
    "ssh accept": ssh(),
    "ssh check": ssh(action="check", checkPeriod="12h", users=["autogroup:nonroot", "root"]),
    "acl icmp without ports": acl(proto="icmp", dst=["web:*", "10.0.0.0/8:*"]),
    "ssh user to own machines": ssh(src=["alice@"], dst=["alice@"]),
    "ssh tagged source": ssh(src=["tag:a"], dst=["autogroup:tagged", "tag:b"]),
    "ssh check period 168h": ssh(action="check", checkPeriod="168h"),
    "ssh autogroup:self destination": ssh(src=["autogroup:member"], dst=["autogroup:self"]),
    "autoApprovers": {
        **NAMES,
        "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:a", "group:a", "alice@"]}, "exitNode": ["tag:a"]},
    },
    "no rules": NAMES,
}
GOOD_SINCE_29 = {
    "grant": {**NAMES, "grants": [{"src": ["group:a"], "dst": ["tag:a"], "ip": ["443", "udp:53"]}]},
    "grant via tag": {**NAMES, "grants": [{"src": ["*"], "dst": ["net"], "ip": ["*"], "via": ["tag:a"]}]},
    "nodeAttrs": {**NAMES, "nodeAttrs": [{"target": ["autogroup:member"], "attr": ["magicdns-aaaa"]}]},
    "randomizeClientPort": {**acl(), "randomizeClientPort": True},
    "ssh acceptEnv": ssh(acceptEnv=["LANG"]),
}
BAD: dict[str, Any] = {
    "unknown section": {**acl(), "acl": []},
    "acl unknown key": acl(source=["*"]),
    "acl action deny": acl(action="deny"),
    "acl destination without ports": acl(dst=["tag:a"]),
    "acl invalid ports": acl(dst=["web:http"]),
    "acl undefined group": acl(src=["group:b"]),
    "acl undefined tag": acl(src=["tag:c"]),
    "acl undefined host": acl(dst=["mail:25"]),
    "acl unknown autogroup": acl(src=["autogroup:admins"]),
    "acl autogroup:self source": acl(src=["autogroup:self"]),
    "nested group": {**NAMES, "groups": {"group:a": ["group:b"], "group:b": ["alice@"]}},
    "group without prefix": {"groups": {"a": ["alice@"]}},
    "tag without prefix": {"tagOwners": {"a": ["alice@"]}},
    "tag owner without at sign": {"tagOwners": {"tag:a": ["alice"]}},
    "host name as address": {"hosts": {"web": "example.com"}},
    "invalid exit node approver": {**NAMES, "autoApprovers": {"exitNode": ["web"]}},
    "invalid approved route": {**NAMES, "autoApprovers": {"routes": {"web": ["tag:a"]}}},
    "ssh wildcard destination": ssh(dst=["*"]),
    "ssh host source": ssh(src=["web"]),
    "acl list as rule": {"acls": [["*"]]},
    "acl icmp with port": acl(proto="icmp", dst=["tag:a:22"]),
    "acl protocol number with port": acl(proto="47", dst=["*:22"]),
    "ssh check period empty": ssh(action="check", checkPeriod=""),
    "ssh check period negative": ssh(action="check", checkPeriod="-1h"),
    "ssh tag to user machines": ssh(src=["group:a", "tag:a"], dst=["autogroup:member", "autogroup:tagged"]),
    "ssh tag to machines of user": ssh(src=["tag:a"], dst=["alice@"]),
    "ssh group to machines of user": ssh(src=["group:a"], dst=["alice@"]),
    "ssh member and tag to autogroup:self": ssh(src=["autogroup:member", "tag:a"], dst=["autogroup:self"]),
}
ONLY_28 = {
    "ssh user wildcard": ssh(users=["*"]),
    "ssh no users": ssh(users=[]),
    "ssh empty user": ssh(users=[""]),
    "ssh check period 1d": ssh(action="check", checkPeriod="1d"),
    "ssh check period 1w": ssh(action="check", checkPeriod="1w"),
    "ssh check period 200h": ssh(action="check", checkPeriod="200h"),
    "ssh accept with check period": ssh(checkPeriod="12h"),
    "acl tag to autogroup:self": acl(src=["autogroup:member", "tag:a"], dst=["autogroup:self:*"]),
    "acl tagged to autogroup:self": acl(src=["autogroup:tagged"], dst=["autogroup:self:*"]),
    "acl host to autogroup:self": acl(src=["web"], dst=["autogroup:self:*"]),
    "acl address to autogroup:self": acl(src=["100.64.0.1"], dst=["autogroup:self:*"]),
    "tag starting with digit": {"tagOwners": {"tag:3d": ["alice@"]}, "acls": [OPEN]},
    "tag without name": {"tagOwners": {"tag:": ["alice@"]}, "acls": [{**OPEN, "src": ["tag:"]}]},
}
"""Valid on 0.28; 0.29 does not start with such a policy in its database."""
ONLY_29 = {
    "ssh check period always": ssh(action="check", checkPeriod="always"),
    "ssh check period 1.5h": ssh(action="check", checkPeriod="1.5h"),
    "ssh user autogroup:member": ssh(users=["autogroup:member"]),
    "acl autogroup:danger-all source": acl(src=["autogroup:danger-all"]),
}
BAD_SINCE_29 = {
    "grant without ip": {**NAMES, "grants": [{"src": ["*"], "dst": ["tag:a"]}]},
    "grant via group": {**NAMES, "grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"], "via": ["group:a"]}]},
    "grant ports in dst": {**NAMES, "grants": [{"src": ["*"], "dst": ["tag:a:22"], "ip": ["*"]}]},
    "nodeAttrs autogroup:nonroot target": {**NAMES, "nodeAttrs": [{"target": ["autogroup:nonroot"], "attr": ["a"]}]},
    "grant wildcard to autogroup:self": {
        **NAMES,
        "grants": [{"src": ["*"], "dst": ["autogroup:self"], "ip": ["*"]}],
    },
    "test without port": {**acl(), "tests": [{"src": "alice@", "accept": ["tag:a"]}]},
}


def validated(version, policy, users=None):
    """Return the policy as it would be stored, and the validation error; one of the two is None."""
    config = {"server_url": "https://vpn.example.com"}
    try:
        spec = HeadscaleArgs.model_validate(
            {
                "version": (VERSIONS | OLDER)[version],
                "config": config,
                "users": users or {"alice": {}},
                "policy": policy,
            }
        )
    except SpecError as error:
        return None, str(error)
    return policy_text(spec.policy), None


@pytest.fixture(scope="module", params=VERSIONS)
def server(request, tmp_path_factory):
    with running(request.param, tmp_path_factory.mktemp("policies")) as headscale:
        yield headscale


def headscale_error(server, text):
    """Return Headscale's error for a policy, None where it accepts it."""
    with server.client() as client:
        try:
            client.set_policy(text)
        except HeadscaleError as error:
            return str(error)
    return None


@pytest.mark.parametrize("policy", GOOD.values(), ids=GOOD)
def test_valid_policy_is_accepted_by_both(server, policy):
    text, problem = validated(server.version, policy)

    assert problem is None
    assert headscale_error(server, text) is None


@pytest.mark.parametrize("policy", BAD.values(), ids=BAD)
def test_invalid_policy_is_refused_by_both(server, policy):
    assert validated(server.version, policy)[1] is not None
    assert headscale_error(server, json.dumps(policy)) is not None


@pytest.mark.parametrize("policy", GOOD_SINCE_29.values(), ids=GOOD_SINCE_29)
def test_new_policy_field_is_accepted_from_its_version(server, policy):
    text, problem = validated(server.version, policy)

    assert (problem is None) is (server.version == "0.29")
    assert (headscale_error(server, text or json.dumps(policy)) is None) is (server.version == "0.29")


@pytest.mark.parametrize("policy", ONLY_28.values(), ids=ONLY_28)
def test_policy_rule_removed_in_0_29_is_refused(server, policy):
    assert (validated(server.version, policy)[1] is None) is (server.version == "0.28")
    assert (headscale_error(server, json.dumps(policy)) is None) is (server.version == "0.28")


@pytest.mark.parametrize("policy", ONLY_29.values(), ids=ONLY_29)
def test_policy_rule_of_0_29_is_refused_before(server, policy):
    assert (validated(server.version, policy)[1] is None) is (server.version == "0.29")
    assert (headscale_error(server, json.dumps(policy)) is None) is (server.version == "0.29")


@pytest.mark.parametrize("policy", BAD_SINCE_29.values(), ids=BAD_SINCE_29)
def test_invalid_new_policy_field_is_refused_by_both(server, policy):
    assert validated(server.version, policy)[1] is not None
    assert headscale_error(server, json.dumps(policy)) is not None


OLD_NAMES = {"groups": {"group:a": ["alice@"]}, "tagOwners": {"tag:a": ["alice@"]}}
LOGIN = {"action": "accept", "src": ["group:a"], "dst": ["tag:a"], "users": ["root"]}
GOOD_BEFORE_28 = {
    "autoApprovers": {
        "tagOwners": {"tag:router": ["alice@"]},
        "acls": [OPEN],
        "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router", "alice@"]}, "exitNode": ["tag:router"]},
    },
    "ssh wildcard destination": {"ssh": [{"action": "accept", "src": ["alice@"], "dst": ["*"], "users": ["root"]}]},
    "ssh group to machines of user": {**OLD_NAMES, "ssh": [{**LOGIN, "dst": ["alice@"]}]},
    "ssh tag to machines of user": {**OLD_NAMES, "ssh": [{**LOGIN, "src": ["tag:a"], "dst": ["alice@"]}]},
    "ssh check period 1d": {**OLD_NAMES, "ssh": [{**LOGIN, "action": "check", "checkPeriod": "1d", "users": ["*"]}]},
}
BAD_BEFORE_28 = {
    "tag owned by tag": {"tagOwners": {"tag:a": ["alice@"], "tag:b": ["tag:a"]}, "acls": [OPEN]},
    "grant": {"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]},
}


@pytest.fixture(scope="module", params=OLDER)
def older(request, tmp_path_factory):
    with running(request.param, tmp_path_factory.mktemp("policies")) as headscale:
        yield headscale


@pytest.mark.parametrize("policy", GOOD_BEFORE_28.values(), ids=GOOD_BEFORE_28)
def test_valid_policy_on_older_versions_is_accepted(older, policy):
    text, problem = validated(older.version, policy)

    assert problem is None
    assert headscale_error(older, text) is None


@pytest.mark.parametrize("policy", BAD_BEFORE_28.values(), ids=BAD_BEFORE_28)
def test_policy_field_unknown_to_older_versions_is_refused(older, policy):
    assert validated(older.version, policy)[1] is not None


SINCE_27 = {
    name: {**OLD_NAMES, "acls": [{**OPEN, **changes}]}
    for name, changes in {
        "autogroup:member source": {"src": ["autogroup:member"]},
        "autogroup:tagged destination": {"dst": ["autogroup:tagged:22"]},
        "autogroup:self destination": {"src": ["alice@"], "dst": ["autogroup:self:*"]},
    }.items()
}


@pytest.mark.parametrize("policy", SINCE_27.values(), ids=SINCE_27)
def test_policy_autogroups_of_0_27_are_refused_before(older, policy):
    assert (validated(older.version, policy)[1] is None) is (older.version == "0.27")
    assert (headscale_error(older, json.dumps(policy)) is None) is (older.version == "0.27")


USERS_WITH_SHARED_NAMES = {
    "alice": {"email": "bob@example.com"},
    "bob@example.com": {},
    "carl": {"email": "c@example.com"},
    "dora": {"email": "c@example.com"},
}
AMBIGUOUS = {"bob@example.com": "write `alice@`", "c@example.com": "write `carl@` or `dora@`"}


@pytest.mark.parametrize("version", VERSIONS)
def test_user_name_of_two_users_is_refused(tmp_path, version):
    with running(version, tmp_path) as server:
        with server.client() as client:
            for name, user in USERS_WITH_SHARED_NAMES.items():
                client.create_user(name, email=user.get("email") or "")
        for name in ("alice@", "carl@", *AMBIGUOUS):
            policy = {"acls": [{**OPEN, "src": [name]}]}
            problem = validated(version, policy, users=USERS_WITH_SHARED_NAMES)[1]
            remedy = AMBIGUOUS.get(name) if version == "0.29" else None
            assert (problem is None) is (remedy is None)
            assert remedy is None or remedy in problem
            assert (headscale_error(server, json.dumps(policy)) is None) is (remedy is None)


def test_stored_policy_that_crashes_headscale_is_repaired(tmp_path):
    """The command in the hint repairs a Headscale that does not start with the policy of an earlier version."""
    with running("0.28", tmp_path) as server:
        assert headscale_error(server, json.dumps(ONLY_28["ssh check period 1d"])) is None
    command = [binary("0.29"), "--config", str(tmp_path / "config.yaml")]
    crashed = subprocess.run([*command, "serve"], capture_output=True, text=True, check=False, timeout=30)
    hint = crash_hint(crashed.stdout + crashed.stderr)
    command_line = re.search(r"`headscale (policy set [^`]*)`", hint)[1].split()
    (tmp_path / "policy.hujson").write_text(json.dumps(acl()))

    subprocess.run([*command, *command_line], capture_output=True, check=True, timeout=30, cwd=tmp_path)

    assert "refuses the policy in its database" in hint
    with running("0.29", tmp_path) as server, server.client() as client:
        assert json.loads(client.get_policy()) == acl()


CAPITALS = """{
  // Keys with capital letters, as Headscale accepts them.
  "Groups": {"group:a": ["alice@"]},
  "TagOwners": {"tag:a": ["group:a"]},
  "ACLs": [{"Action": "accept", "Src": ["group:a", "alice@example.com@"], "dst": ["[fd7a::1]/128:443", "tag:a:22"]}],
  "autoApprovers": {"routes": null, "exitNode": ["tag:a"]},
}"""


def test_policy_file_is_read_as_by_headscale(server, tmp_path):
    (tmp_path / "policy.hujson").write_text(CAPITALS.replace("[fd7a::1]/128", "fd7a::1"))
    config = {"server_url": "https://vpn.example.com"}
    spec = HeadscaleArgs.model_validate(
        {
            "version": VERSIONS[server.version],
            "config": config,
            "users": {"alice": {"email": "alice@example.com"}},
            "policy": {"file": str(tmp_path / "policy.hujson"), "tagOwners": {"tag:b": ["alice@"]}},
        }
    )

    assert headscale_error(server, policy_text(spec.policy)) is None


@pytest.mark.parametrize("policy", (GOOD | BAD).values(), ids=GOOD | BAD)
def test_policy_file_is_validated_like_the_yaml(tmp_path, policy):
    (tmp_path / "policy.hujson").write_text(json.dumps(policy))

    assert (validated("0.28", {"file": str(tmp_path / "policy.hujson")})[1] is None) is (policy in GOOD.values())
