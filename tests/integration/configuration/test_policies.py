"""What is refused of a policy in a preview is what real Headscales refuse; what they take is taken."""

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
    "every kind of source": acl(
        src=["alice@", "group:a", "tag:a", "web", "net", "10.0.0.0/8", "100.64.0.1", "autogroup:member", "*"]
    ),
    "every kind of destination": acl(
        dst=["alice@:22", "group:a:22", "tag:a:22,80-90", "web:443", "10.0.0.0/8:*", "autogroup:internet:*", "*:*"]
    ),
    "an own device": acl(src=["autogroup:member"], dst=["autogroup:self:*"]),
    "a protocol by name": acl(proto="icmp"),
    "a protocol by number": acl(proto="6"),
    "a note of headscale-admin": acl(**{"#note": "x"}),
    "an address of version 6": acl(dst=["fd7a:115c:a1e0::1:22"]),
    "login": ssh(),
    "login by check": ssh(action="check", checkPeriod="12h", users=["autogroup:nonroot", "root"]),
    "a protocol without ports": acl(proto="icmp", dst=["web:*", "10.0.0.0/8:*"]),
    "login on one's own machine": ssh(src=["alice@"], dst=["alice@"]),
    "login of tags": ssh(src=["tag:a"], dst=["autogroup:tagged", "tag:b"]),
    "login by check once a week": ssh(action="check", checkPeriod="168h"),
    "login on own devices": ssh(src=["autogroup:member"], dst=["autogroup:self"]),
    "approvers": {
        **NAMES,
        "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:a", "group:a", "alice@"]}, "exitNode": ["tag:a"]},
    },
    "nothing but names": NAMES,
}
GOOD_SINCE_29 = {
    "a grant": {**NAMES, "grants": [{"src": ["group:a"], "dst": ["tag:a"], "ip": ["443", "udp:53"]}]},
    "a grant through routers": {**NAMES, "grants": [{"src": ["*"], "dst": ["net"], "ip": ["*"], "via": ["tag:a"]}]},
    "attributes": {**NAMES, "nodeAttrs": [{"target": ["autogroup:member"], "attr": ["magicdns-aaaa"]}]},
    "a flag": {**acl(), "randomizeClientPort": True},
    "environment": ssh(acceptEnv=["LANG"]),
}
BAD: dict[str, Any] = {
    "an unknown section": {**acl(), "acl": []},
    "an unknown key of a rule": acl(source=["*"]),
    "another action": acl(action="deny"),
    "no ports": acl(dst=["tag:a"]),
    "ports that are none": acl(dst=["web:http"]),
    "an undefined group": acl(src=["group:b"]),
    "an undefined tag": acl(src=["tag:c"]),
    "an undefined host": acl(dst=["mail:25"]),
    "an unknown own group": acl(src=["autogroup:admins"]),
    "an own group that is no source": acl(src=["autogroup:self"]),
    "a group in a group": {**NAMES, "groups": {"group:a": ["group:b"], "group:b": ["alice@"]}},
    "a group without its prefix": {"groups": {"a": ["alice@"]}},
    "a tag without its prefix": {"tagOwners": {"a": ["alice@"]}},
    "an owner that is none": {"tagOwners": {"tag:a": ["alice"]}},
    "a host that is no address": {"hosts": {"web": "example.com"}},
    "an approver that is none": {**NAMES, "autoApprovers": {"exitNode": ["web"]}},
    "a route that is none": {**NAMES, "autoApprovers": {"routes": {"web": ["tag:a"]}}},
    "login everywhere": ssh(dst=["*"]),
    "login of a host": ssh(src=["web"]),
    "a list where a rule has to be": {"acls": [["*"]]},
    "a port of ICMP": acl(proto="icmp", dst=["tag:a:22"]),
    "a port of a protocol by number": acl(proto="47", dst=["*:22"]),
    "a check for no time": ssh(action="check", checkPeriod=""),
    "a check that is over before": ssh(action="check", checkPeriod="-1h"),
    "a tag on people's machines": ssh(src=["group:a", "tag:a"], dst=["autogroup:member", "autogroup:tagged"]),
    "a tag on one's machine": ssh(src=["tag:a"], dst=["alice@"]),
    "a group on one's machine": ssh(src=["group:a"], dst=["alice@"]),
    "everybody and a tag on own machines": ssh(src=["autogroup:member", "tag:a"], dst=["autogroup:self"]),
}
OF_28_ALONE = {
    "a login as whoever": ssh(users=["*"]),
    "a login as nobody": ssh(users=[]),
    "a login without a name": ssh(users=[""]),
    "a check every day": ssh(action="check", checkPeriod="1d"),
    "a check every week": ssh(action="check", checkPeriod="1w"),
    "a check every 200 hours": ssh(action="check", checkPeriod="200h"),
    "a period without a check": ssh(checkPeriod="12h"),
    "a tag on own machines": acl(src=["autogroup:member", "tag:a"], dst=["autogroup:self:*"]),
    "tagged ones on own machines": acl(src=["autogroup:tagged"], dst=["autogroup:self:*"]),
    "a host on own machines": acl(src=["web"], dst=["autogroup:self:*"]),
    "an address on own machines": acl(src=["100.64.0.1"], dst=["autogroup:self:*"]),
    "a tag with a digit first": {"tagOwners": {"tag:3d": ["alice@"]}, "acls": [OPEN]},
    "a tag without a name": {"tagOwners": {"tag:": ["alice@"]}, "acls": [{**OPEN, "src": ["tag:"]}]},
}
"""What a stored policy may hold, and 0.29 does not start with."""
OF_29_ALONE = {
    "a check each time": ssh(action="check", checkPeriod="always"),
    "a check by halves": ssh(action="check", checkPeriod="1.5h"),
    "a login as a group": ssh(users=["autogroup:member"]),
    "everybody, as a source": acl(src=["autogroup:danger-all"]),
}
BAD_SINCE_29 = {
    "a grant of nothing": {**NAMES, "grants": [{"src": ["*"], "dst": ["tag:a"]}]},
    "a grant through a group": {**NAMES, "grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"], "via": ["group:a"]}]},
    "a grant with ports in the wrong place": {**NAMES, "grants": [{"src": ["*"], "dst": ["tag:a:22"], "ip": ["*"]}]},
    "attributes of a machine's user": {**NAMES, "nodeAttrs": [{"target": ["autogroup:nonroot"], "attr": ["a"]}]},
    "everybody's own machines, granted": {
        **NAMES,
        "grants": [{"src": ["*"], "dst": ["autogroup:self"], "ip": ["*"]}],
    },
    "a test without a port": {**acl(), "tests": [{"src": "alice@", "accept": ["tag:a"]}]},
}


def ours(version, policy, users=None):
    """Return the policy as it would be stored, or what is said against it."""
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


def theirs(server, text):
    """Return what Headscale says against a policy."""
    with server.client() as client:
        try:
            client.set_policy(text)
        except HeadscaleError as error:
            return str(error)
    return None


@pytest.mark.parametrize("policy", GOOD.values(), ids=GOOD)
def test_valid_policy_is_accepted_by_both(server, policy):
    text, problem = ours(server.version, policy)

    assert problem is None
    assert theirs(server, text) is None


@pytest.mark.parametrize("policy", BAD.values(), ids=BAD)
def test_invalid_policy_is_refused_by_both(server, policy):
    assert ours(server.version, policy)[1] is not None
    assert theirs(server, json.dumps(policy)) is not None


@pytest.mark.parametrize("policy", GOOD_SINCE_29.values(), ids=GOOD_SINCE_29)
def test_new_policy_field_is_accepted_from_its_version(server, policy):
    text, problem = ours(server.version, policy)

    assert (problem is None) is (server.version == "0.29")
    assert (theirs(server, text or json.dumps(policy)) is None) is (server.version == "0.29")


@pytest.mark.parametrize("policy", OF_28_ALONE.values(), ids=OF_28_ALONE)
def test_policy_field_removed_in_0_29_is_refused(server, policy):
    assert (ours(server.version, policy)[1] is None) is (server.version == "0.28")
    assert (theirs(server, json.dumps(policy)) is None) is (server.version == "0.28")


@pytest.mark.parametrize("policy", OF_29_ALONE.values(), ids=OF_29_ALONE)
def test_policy_field_of_0_29_is_refused_before(server, policy):
    assert (ours(server.version, policy)[1] is None) is (server.version == "0.29")
    assert (theirs(server, json.dumps(policy)) is None) is (server.version == "0.29")


@pytest.mark.parametrize("policy", BAD_SINCE_29.values(), ids=BAD_SINCE_29)
def test_invalid_new_policy_field_is_refused_by_both(server, policy):
    assert ours(server.version, policy)[1] is not None
    assert theirs(server, json.dumps(policy)) is not None


OLD_NAMES = {"groups": {"group:a": ["alice@"]}, "tagOwners": {"tag:a": ["alice@"]}}
LOGIN = {"action": "accept", "src": ["group:a"], "dst": ["tag:a"], "users": ["root"]}
OF_OLDER = {
    "approvers": {
        "tagOwners": {"tag:router": ["alice@"]},
        "acls": [OPEN],
        "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router", "alice@"]}, "exitNode": ["tag:router"]},
    },
    "login everywhere": {"ssh": [{"action": "accept", "src": ["alice@"], "dst": ["*"], "users": ["root"]}]},
    "a group on one's machine": {**OLD_NAMES, "ssh": [{**LOGIN, "dst": ["alice@"]}]},
    "a tag on one's machine": {**OLD_NAMES, "ssh": [{**LOGIN, "src": ["tag:a"], "dst": ["alice@"]}]},
    "a check every day": {**OLD_NAMES, "ssh": [{**LOGIN, "action": "check", "checkPeriod": "1d", "users": ["*"]}]},
}
BAD_OF_OLDER = {
    "a tag of a tag": {"tagOwners": {"tag:a": ["alice@"], "tag:b": ["tag:a"]}, "acls": [OPEN]},
    "a grant": {"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]},
}


@pytest.fixture(scope="module", params=OLDER)
def older(request, tmp_path_factory):
    with running(request.param, tmp_path_factory.mktemp("policies")) as headscale:
        yield headscale


@pytest.mark.parametrize("policy", OF_OLDER.values(), ids=OF_OLDER)
def test_valid_policy_on_older_versions_is_accepted(older, policy):
    text, problem = ours(older.version, policy)

    assert problem is None
    assert theirs(older, text) is None


@pytest.mark.parametrize("policy", BAD_OF_OLDER.values(), ids=BAD_OF_OLDER)
def test_policy_field_unknown_to_older_versions_is_refused(older, policy):
    assert ours(older.version, policy)[1] is not None


OF_27 = {
    name: {**OLD_NAMES, "acls": [{**OPEN, **changes}]}
    for name, changes in {
        "people": {"src": ["autogroup:member"]},
        "tagged ones": {"dst": ["autogroup:tagged:22"]},
        "own machines": {"src": ["alice@"], "dst": ["autogroup:self:*"]},
    }.items()
}


@pytest.mark.parametrize("policy", OF_27.values(), ids=OF_27)
def test_policy_groups_of_0_27_are_refused_before(older, policy):
    assert (ours(older.version, policy)[1] is None) is (older.version == "0.27")
    assert (theirs(older, json.dumps(policy)) is None) is (older.version == "0.27")


TWO_OF_A_NAME = {
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
            for name, user in TWO_OF_A_NAME.items():
                client.create_user(name, email=user.get("email") or "")
        for name in ("alice@", "carl@", *AMBIGUOUS):
            policy = {"acls": [{**OPEN, "src": [name]}]}
            said = ours(version, policy, users=TWO_OF_A_NAME)[1]
            remedy = AMBIGUOUS.get(name) if version == "0.29" else None
            assert (said is None) is (remedy is None)
            assert remedy is None or remedy in said
            assert (theirs(server, json.dumps(policy)) is None) is (remedy is None)


def test_stored_policy_that_crashes_headscale_is_repaired(tmp_path):
    """The hint's command is what brings a Headscale back that does not start with what its predecessor stored."""
    with running("0.28", tmp_path) as server:
        assert theirs(server, json.dumps(OF_28_ALONE["a check every day"])) is None
    command = [binary("0.29"), "--config", str(tmp_path / "config.yaml")]
    crashed = subprocess.run([*command, "serve"], capture_output=True, text=True, check=False, timeout=30)
    hint = crash_hint(crashed.stdout + crashed.stderr)
    way_out = re.search(r"`headscale (policy set [^`]*)`", hint)[1].split()
    (tmp_path / "policy.hujson").write_text(json.dumps(acl()))

    subprocess.run([*command, *way_out], capture_output=True, check=True, timeout=30, cwd=tmp_path)

    assert "refuses the policy in its database" in hint
    with running("0.29", tmp_path) as server, server.client() as client:
        assert json.loads(client.get_policy()) == acl()


CAPITALS = """{
  // as many write it
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

    assert theirs(server, policy_text(spec.policy)) is None


@pytest.mark.parametrize("policy", (GOOD | BAD).values(), ids=GOOD | BAD)
def test_policy_file_is_validated_like_the_yaml(tmp_path, policy):
    (tmp_path / "policy.hujson").write_text(json.dumps(policy))

    assert (ours("0.28", {"file": str(tmp_path / "policy.hujson")})[1] is None) is (policy in GOOD.values())
