"""Policies that some version of Headscale refuses, each in all versions: where, and what is said.

The stack files and HuJSON files are in `policies/`; what is expected is what the engine of each version says.
"""

from pathlib import Path

import pytest
import yaml

from headscale_component import SpecError, upgrade
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.policy.places import ROWS

POLICIES = Path(__file__).parent / "policies"
VERSIONS = {"26": "v0.26.1", "27": "v0.27.1", "28": "v0.28.0", "29": "v0.29.3"}
ALL = "26 27 28 29"
SELF = "`autogroup:self` is no group that may stand here before Headscale 0.27"
MEMBER = "`autogroup:member` is no group that may stand here before Headscale 0.27"
NEEDS_29 = "needs Headscale 0.29 or newer"

REFUSED = (
    ("acl-self-from-ip", "26", "acls[0].dst[0]", SELF),
    ("acl-self-from-ip", "29", "acls[0].src[0]", "has no machines of its own"),
    ("action-with-spaces", "26 27 28", "file", "` accept` has spaces around it"),
    ("autogroups", "26", "acls[0].src[0]", MEMBER),
    ("autogroups", "26", "acls[0].dst[0]", SELF),
    ("bom", ALL, "file", "begins with a byte order mark"),
    ("bool-as-text", "26 27 28 29", "file", "randomizeClientPort: must be `true` or `false`"),
    ("bracketed-ipv4", ALL, "acls[0].dst[0]", "brackets, which go around an IPv6 address alone"),
    ("bracketed-ipv6", "26 27 28", "acls[0].dst[0]", "brackets, which Headscale does not read here"),
    ("bracketed-ipv6-source", ALL, "acls[0].src[0]", "write `fd7a:115c:a1e0::1`"),
    ("checkperiod-always", "26", "ssh[0].src[0]", MEMBER),
    ("checkperiod-always", "26 27 28", "ssh[0].checkPeriod", "`always` is no time to Headscale before 0.29"),
    ("checkperiod-number", "26 27 28", "file", "ssh[0].checkPeriod: `0` has to be a text"),
    ("comment-without-newline", ALL, "file", "ends in a comment without a line's end"),
    ("danger-all", "26 27 28", "acls[0].src[0]", "may stand here before Headscale 0.29"),
    ("grant-bad-port", "26 27 28", "grants", NEEDS_29),
    ("grant-bad-port", "29", "grants[0].ip[0]", "`https` names no ports"),
    ("grant-bad-port", "29", "grants[0].ip[1]", "`99999` names no ports"),
    ("grant-cap-url", "26 27 28", "grants", NEEDS_29),
    ("grant-cap-url", "29", 'grants[0].app["https://example.com/cap"]', "write the capability without `https://`"),
    ("grant-default-route", "26 27 28", "grants", NEEDS_29),
    ("grant-default-route", "29", "grants[0].dst[0]", "write `autogroup:internet`"),
    ("grant-self-from-star", "26 27 28", "grants", NEEDS_29),
    ("grant-self-from-star", "29", "grants[0].src[0]", "`*` has no machines of its own"),
    ("host-name-with-colon-or-at", ALL, "hosts.a:b", "has `:` or `@` in it"),
    ("host-name-with-colon-or-at", ALL, "hosts.a@b", "has `:` or `@` in it"),
    ("hyphenated-keys", "26", "file", "tag_owners: is ignored by Headscale 0.26; write `tagOwners`"),
    ("hyphenated-keys", "26", "file", "ssh[0].check-period: is ignored by Headscale 0.26; write `checkPeriod`"),
    ("icmp-with-port", "27 28 29", "acls[0].dst[0]", "`icmp` has no ports; write `*:*`"),
    ("lonely-comma", ALL, "file", "is no HuJSON"),
    ("nan", ALL, "file", "`NaN` is no number in JSON"),
    ("netmask", ALL, "hosts.lan", "write one as `10.0.0.1`, or with its length, `10.0.0.0/8`"),
    ("nodeattrs-funnel-ippool", "26 27 28", "nodeAttrs", NEEDS_29),
    ("nodeattrs-funnel-ippool", "29", "nodeAttrs[0].attr[0]", "Headscale has no Funnel yet"),
    ("nodeattrs-funnel-ippool", "29", "nodeAttrs[1].ipPool", "gives no addresses from pools yet"),
    (
        "null-group-members",
        "27 28 29",
        "file",
        "groups.group:a: is null, which Headscale does not read",
    ),
    ("port-0", "27 28 29", "acls[0].dst[0]", "names port 0"),
    ("proto-ipv6-icmp", "26 27 28", "acls[0].proto", 'write `"58"`'),
    ("proto-number", "26", "acls[0].proto", 'has to be a text for Headscale 0.26; write `"6"`'),
    ("proto-number-with-port", "27 28", "acls[0].dst[0]", "`6` has no ports; write `*:*`, or `proto: tcp`"),
    ("same-key-in-capitals", ALL, "file", "has `acls` and `ACLs` in one object"),
    ("ssh-accept-checkperiod", "26", "ssh[0].src[0]", MEMBER),
    ("ssh-accept-checkperiod", "29", "ssh[0].checkPeriod", "is for `action: check`"),
    ("ssh-empty-users-env", "26 27 28", "ssh[0].acceptEnv", NEEDS_29),
    ("ssh-empty-users-env", "29", "ssh[0].users", "names nobody"),
    ("ssh-empty-users-env", "29", "ssh[0].acceptEnv[0]", "is empty"),
    ("ssh-star", "28 29", "ssh[0].dst[0]", "may not stand here from Headscale 0.28 on; write `autogroup:member`"),
    ("ssh-tag-to-member", "26", "ssh[0].dst[0]", MEMBER),
    ("ssh-tag-to-member", "28 29", "ssh[0].dst[0]", "make a rule of its own for tags"),
    ("ssh-tags-and-group-to-everything", "26", "ssh[0].dst[0]", MEMBER),
    (
        "ssh-tags-and-group-to-everything",
        "28 29",
        "ssh[0].dst[0]",
        "`tag:mac` may not log in; make a rule of its own for tags, with tags or `autogroup:tagged`",
    ),
    ("ssh-user-autogroup", "26 27 28", "ssh[0].users[0]", "may: `autogroup:nonroot`"),
    ("ssh-user-to-other-user", "28 29", "ssh[0].dst[0]", "only `bob@` may log in on `bob@`"),
    ("sshtests-shapes", "26 27 28", "sshTests", NEEDS_29),
    ("sshtests-shapes", "29", "sshTests[0].dst", "is empty"),
    ("sshtests-shapes", "29", "sshTests[1].dst[0]", "`tag:zz` is not under `tagOwners`"),
    ("tag-digit", "29", "tagOwners.tag:1ci", "has no letter behind `tag:`"),
    ("tagowner-cycle", "26 27", "tagOwners.tag:a[0]", "may not stand here before Headscale 0.28"),
    ("tagowner-cycle", "28", "tagOwners.tag:a", "owns itself"),
    ("tests-before-the-first-node", "26 27 28", "tests", NEEDS_29),
    ("tests-shapes", "26 27 28", "tests", NEEDS_29),
    ("tests-shapes", "29", "tests[0]", "tests nothing"),
    ("tests-shapes", "29", "tests[1].accept[0]", "`10.0.0.0/8` is a network"),
    ("tests-shapes", "29", "tests[2].proto", "`icmp` cannot be tested"),
    ("tests-shapes", "29", "tests[2].accept[0]", "names several ports"),
    ("upgrade-checkperiod", "26", "ssh[0].src[0]", MEMBER),
    ("upgrade-checkperiod", "29", "ssh[0].checkPeriod", "write `168h`"),
    ("upgrade-self-from-tag", "26", "acls[0].dst[0]", SELF),
    ("upgrade-self-from-tag", "29", "acls[0].src[0]", "`tag:a` has no machines of its own"),
    ("upgrade-ssh-users-star", "26", "ssh[0].src[0]", MEMBER),
    ("upgrade-ssh-users-star", "29", "ssh[0].users[0]", "write `autogroup:nonroot`"),
    ("user-token-of-two", "29", "acls[0].src[0]", "write `alice@` or `bob@`"),
)
"""The file, the versions that refuse it, where in the policy, and words of the message."""


def written(name, minor):
    document = yaml.safe_load((POLICIES / f"{name}.yaml").read_text())
    return {**document["config"]["headscale:instances"]["vpn"], "version": VERSIONS[minor]}


def problems(instance):
    try:
        HeadscaleArgs.model_validate(instance)
    except SpecError as error:
        return {
            (str(problem).partition(": ")[0].removeprefix("policy."), problem.message) for problem in error.problems
        }
    return set()


@pytest.mark.parametrize("minor", VERSIONS)
@pytest.mark.parametrize("name", sorted(file.stem for file in POLICIES.glob("*.yaml")))
def test_policy_is_judged_as_each_version_does(monkeypatch, name, minor):
    monkeypatch.chdir(POLICIES)
    expected = [(path, text) for file, minors, path, text in REFUSED if file == name and minor in minors.split()]

    said = problems(written(name, minor))

    assert bool(said) is bool(expected)
    for path, text in expected:
        assert any(place == path and text in message for place, message in said), said


def test_every_row_of_the_table_has_a_file():
    assert {name for name, *_ in REFUSED} <= {file.stem for file in POLICIES.glob("*.yaml")}


@pytest.mark.parametrize("name", ["upgrade-checkperiod", "upgrade-self-from-tag", "upgrade-ssh-users-star"])
def test_upgrade_names_rules_that_0_29_refuses(name):
    found = upgrade.blockers(written(name, "28"), VERSIONS["29"])

    assert [row[2] for row in REFUSED if row[0] == name and row[1] == "29"] == [
        str(problem).partition(": ")[0].removeprefix("policy.") for problem in found
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.place}-{row.since}")
def test_place_names_its_rule_in_the_engine(row):
    tag = row.source.removeprefix("https://github.com/juanfont/headscale/blob/v").partition("/")[0]

    assert tag.startswith(f"{row.since}.")
    assert "/hscontrol/policy/v2/" in row.source


LATER = {
    "everybody": (
        {"acls": [{"action": "accept", "src": ["alice@"], "dst": ["*:*"]}]},
        "policy.acls[0].dst[0]: from 0.29 on, `*`",
    ),
    "pings": ({"acls": [{"action": "accept", "proto": "icmp", "src": ["alice@"], "dst": ["tag:a:*"]}]}, "ICMPv6"),
}


@pytest.mark.parametrize(("policy", "text"), LATER.values(), ids=LATER)
def test_upgrade_notes_what_a_version_reads_otherwise(policy, text):
    config = {"server_url": "https://vpn.example.com"}
    policy = {"tagOwners": {"tag:a": ["alice@"]}, **policy}
    spec = HeadscaleArgs.model_validate(
        {"version": "v0.28.0", "config": config, "users": {"alice": {}}, "policy": policy}
    )

    assert text in "\n".join(upgrade.notes(spec, "v0.29.3"))
    assert upgrade.notes(spec, "v0.28.1") == []
