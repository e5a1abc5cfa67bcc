"""What is said of policies without a Headscale: what they open, whom they forget, and the way out of a crash loop."""

import json

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers.policy import PolicyProvider
from headscale_core.policy import acl_tests, lifecycle

LOGS = {
    "two users": (
        '2026-11-25 FTL error="init state: initializing policy manager: validating policy user references: multiple '
        'users found: token \\"ada@\\" found: [1, 2]"',
        "names `ada@`, which is more than one user",
    ),
    "two users, as text": ('multiple users found: token "ada@" found: 1, 2', "names `ada@`"),
    "0.29": ("Error: init state: initializing policy manager: checkPeriod is only valid", "refuses the policy"),
    "0.28": ("Error: initializing headscale: init state: init policy manager: unknown field", "refuses the policy"),
}


@pytest.mark.parametrize(("log", "why"), LOGS.values(), ids=LOGS)
def test_a_crash_by_a_policy_is_explained(log, why):
    hint = lifecycle.crash_hint(log)

    assert why in hint
    assert "headscale policy set --force --bypass-grpc-and-access-database-directly" in hint


@pytest.mark.parametrize("log", ["", "FTL database is locked", "failed to update policy manager after user creation"])
def test_another_crash_has_no_hint_of_policies(log):
    assert lifecycle.crash_hint(log) is None


def test_refusal_of_several_lines_becomes_one():
    refusal = "multiple errors:\n\ttest(s) failed:\na@ -> b:1: expected DENIED, got ALLOWED\nc@: no\n"

    assert lifecycle.single_line(refusal) == (
        "multiple errors: test(s) failed: a@ -> b:1: expected DENIED, got ALLOWED; c@: no"
    )


def test_tags_without_owner_are_warned_of(monkeypatch):
    messages = []
    monkeypatch.setattr("pulumi.log.info", messages.append)
    olds = {"policy": '{"TagOwners": {"tag:ci": [], "tag:b": []}, "acls": []}'}

    provider = PolicyProvider()
    settings = {"headscale:instance": "vpn", "headscale:namespace": "ns"}
    provider.configure(ConfigureRequest(Config(settings, "project")))
    provider.diff("policy", olds, {"policy": '{"tagOwners": {"tag:b": []}, "acls": []}'})

    assert "`tag:ci` no longer under `tagOwners` of the policy: nodes with such a tag keep it" in messages[0]


ONE, TWO = {"src": "a@", "accept": ["b:1"]}, {"src": "c@", "accept": ["b:1"]}
WHOLE = {"acls": [], "tests": [ONE, TWO, ONE], "sshTests": [TWO]}
STORED = {
    "all of it": (WHOLE, []),
    "no tests": ({"acls": []}, ["tests[0]", "tests[1]", "tests[2]", "sshTests[0]"]),
    "some tests": ({"acls": [], "tests": [TWO, ONE], "sshTests": [TWO]}, ["tests[0]"]),
    "another test": ({"acls": [], "tests": [{**ONE, "deny": ["b:2"]}]}, None),
    "another rule": ({**WHOLE, "acls": None}, None),
}


@pytest.mark.parametrize(("stored", "missing"), STORED.values(), ids=STORED)
def test_what_a_stored_policy_lacks_is_found(stored, missing):
    assert acl_tests.skipped_tests(json.dumps(stored), json.dumps(WHOLE)) == missing


def test_skipped_tests_are_the_missing_ones():
    names = ["tests[0]", "sshTests[0]"]
    text = "// ours\n" + json.dumps({"ACLs": [], "Tests": [ONE, TWO], "sshtests": [TWO]})

    assert json.loads(acl_tests.without_tests(text, names)) == {"ACLs": [], "Tests": [TWO]}
    assert acl_tests.skipped_tests(acl_tests.without_tests(text, names), text) == names
