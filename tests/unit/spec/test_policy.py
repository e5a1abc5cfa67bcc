"""A policy as a person writes it: merged, read, and warned about before it locks anybody out."""

import json

import pytest

from headscale_component.spec import HeadscaleArgs, SpecError
from headscale_component.spec.policy import PolicySpec, policy_document, policy_text
from headscale_component.spec.policy.rules import policy_problems
from headscale_component.spec.policy.warnings import policy_warnings
from headscale_core.values import hujson

FILE = """{
  // who owns what
  "tagOwners": {"tag:router": ["group:admin"],},
  "groups": {"group:admin": ["alice@"]},
  /* all
     of it */
  "acls": [{"action": "accept", "src": ["group:admin"], "dst": ["*:*"]}],
}"""


def test_hujson_comments_and_trailing_commas_are_removed():
    assert hujson.parse('{"a": ["//x", "/*y*/", ",]",], // z\n}') == {"a": ["//x", "/*y*/", ",]"]}


def test_hujson_error_names_the_line():
    with pytest.raises(ValueError, match="line 3 column"):
        hujson.parse('{// one\n/* two */\n"a" 1}')


UNREADABLE = {"said twice": '{"acls": [], "acls": []}', "without an end": "[" * 100_000}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_hujson_is_refused(text):
    with pytest.raises(ValueError, match=r"has `acls` twice in one object|is nested too deeply"):
        hujson.parse(text)


def test_section_names_ignore_case(tmp_path):
    (tmp_path / "p.hujson").write_text(FILE.replace('"acls"', '"ACLs"'))

    assert policy_warnings(policy_document(PolicySpec(file=str(tmp_path / "p.hujson")))) == []


def test_policy_file_is_stored_unchanged(tmp_path):
    (tmp_path / "p.hujson").write_text(FILE)

    assert policy_text(PolicySpec(file=str(tmp_path / "p.hujson"))) == FILE


def test_escaped_names_are_stored_as_characters(tmp_path):
    text = '{/* \\u00e9 */ "tagOwners": {"tag:caf\\u00e9": ["al\\/ice@"]}} // "\\u00e9\n'
    (tmp_path / "p.hujson").write_text(text)

    stored = policy_text(PolicySpec(file=str(tmp_path / "p.hujson")))

    assert stored == '{/* \\u00e9 */ "tagOwners": {"tag:café": ["al/ice@"]}} // "\\u00e9\n'


def test_escaped_quotes_and_line_ends_stay(tmp_path):
    text = '{"hosts": {"a\\"b\\n\\\\": "10.0.0.1"}}'
    (tmp_path / "p.hujson").write_text(text)

    assert policy_text(PolicySpec(file=str(tmp_path / "p.hujson"))) == text


def test_approvers_and_tag_owners_are_merged(tmp_path):
    (tmp_path / "p.hujson").write_text(FILE)
    spec = PolicySpec.model_validate(
        {
            "file": str(tmp_path / "p.hujson"),
            "tagOwners": {"tag:router": ["alice@"], "tag:exit": ["alice@"]},
            "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router"]}, "exitNode": ["tag:exit"]},
        }
    )

    document = json.loads(policy_text(spec))

    assert document["tagOwners"] == {"tag:router": ["group:admin", "alice@"], "tag:exit": ["alice@"]}
    assert document["autoApprovers"] == {"routes": {"10.0.0.0/8": ["tag:router"]}, "exitNode": ["tag:exit"]}
    assert document["acls"] == hujson.parse(FILE)["acls"]


def test_server_check_is_not_stored(tmp_path):
    (tmp_path / "p.hujson").write_text(FILE)
    of_file = PolicySpec.model_validate({"file": str(tmp_path / "p.hujson"), "serverCheck": True, "overwrite": True})
    in_yaml = PolicySpec.model_validate({"acls": [], "serverCheck": True})

    assert policy_text(of_file) == FILE
    assert json.loads(policy_text(in_yaml)) == {"acls": []}


def test_server_check_in_policy_file_is_refused(tmp_path):
    (tmp_path / "p.hujson").write_text('{"serverCheck": true, "acls": []}')
    spec = PolicySpec(file=str(tmp_path / "p.hujson"))

    (problem,) = policy_problems(spec, {}, version=(0, 29), allow_undeclared_users=False)

    assert problem.path == ("file",)
    assert "p.hujson`, serverCheck: " in problem.message


VERSIONS = {"too old": ((0, 28), ["needs Headscale 0.29 or newer; leave it out"]), "new enough": ((0, 29), [])}


@pytest.mark.parametrize(("version", "messages"), VERSIONS.values(), ids=VERSIONS)
def test_server_check_needs_a_version_that_can(version, messages):
    spec = PolicySpec.model_validate({"acls": [], "serverCheck": True})

    problems = list(policy_problems(spec, {}, version=version, allow_undeclared_users=False))

    assert [problem.message for problem in problems if problem.path == ("serverCheck",)] == messages
    assert len(problems) == len(messages)


def test_problem_in_policy_file_names_file_and_path(tmp_path):
    (tmp_path / "p.hujson").write_text(FILE.replace('"src"', '"scr"').replace("alice@", "bob@"))

    said = list(
        policy_problems(PolicySpec(file=str(tmp_path / "p.hujson")), {}, version=(0, 28), allow_undeclared_users=False)
    )

    assert [str(problem).replace(str(tmp_path), "") for problem in said] == [
        "file: `/p.hujson`, acls[0].src: is required and missing",
        "file: `/p.hujson`, acls[0].scr: unknown key; did you mean `src`?",
        "file: `/p.hujson`, groups.group:admin[0]: `bob@` is not under `users`; declare it there, with `adopt: true` "
        "where it exists already",
    ]


ALL = {"action": "accept", "src": ["*"], "dst": ["*:*"]}
WARNED = {
    "no rule at all": ({"acls": []}, "no node reaches any other"),
    "no rules": ({"ssh": [], "groups": {}}, "every node reaches every port of every other; `acls: []` closes"),
    "rules for machines alone": ({"acls": [{**ALL, "src": ["tag:ci"]}]}, "no rule of the policy lets a person"),
    "a group with nobody in it": ({"acls": [{**ALL, "src": ["group:a"]}], "groups": {"group:a": []}}, "lets a person"),
    "admins without members": ({"acls": [ALL], "groups": {"group:admins": []}}, "`group:admins` has no members"),
    "admins without a rule": (
        {"acls": [{**ALL, "src": ["bob@"]}], "groups": {"group:admin": ["alice@"]}},
        "no rule lets `group:admin` reach anything",
    ),
}


@pytest.mark.parametrize(("document", "warning"), WARNED.values(), ids=WARNED)
def test_policy_that_locks_people_out_warns(document, warning):
    assert warning in " ".join(policy_warnings(document))


LETS_IN = {"the group": "group:admin", "its member": "alice@", "every person": "autogroup:member", "a host": "laptop"}


@pytest.mark.parametrize("source", LETS_IN.values(), ids=LETS_IN)
def test_policy_that_admits_admins_does_not_warn(source):
    assert policy_warnings({**hujson.parse(FILE), "acls": [{**ALL, "src": [source]}]}) == []


LOGIN = {
    "issuer": "https://id.example.com",
    "client_id": "h",
    "client_secret": {"secretKeyRef": {"name": "o", "key": "s"}},
}
NAMED = {"groups": {"group:a": ["ada@"]}, "acls": [{**ALL, "src": ["group:a"], "dst": ["bob@example.com:22"]}]}
MADE_HERE = {"ada": {}, "bob": {"email": "bob@example.com"}}
LOGINS = {
    "users made here": ({}, "the policy names `ada@`, `bob@example.com`, made here"),
    "one that is adopted": ({"users": {"ada": {"adopt": True}, "bob": {}}}, None),
    "all adopted": ({"adoptUsers": True}, None),
    "an older version": ({"version": "v0.28.0"}, None),
    "nobody logs in": ({"config": {"server_url": "https://vpn.example.com"}}, None),
}


@pytest.mark.parametrize(("changes", "warning"), LOGINS.values(), ids=LOGINS)
def test_ambiguous_login_warns(changes, warning):
    instance = HeadscaleArgs.model_validate(
        {
            "version": "v0.29.3",
            "config": {"server_url": "https://vpn.example.com", "oidc": LOGIN},
            "users": MADE_HERE,
            "policy": NAMED,
            **changes,
        }
    )

    said = policy_warnings(policy_document(instance.policy), instance)

    assert (said == []) if warning is None else (warning in said[0])


FORGOTTEN = {
    "a rule for one alone": ({"acls": [{**ALL, "src": ["ada@"]}]}, "the policy does not name `bob`"),
    "a rule for all": ({"acls": [ALL]}, None),
    "a rule for an address": ({"acls": [{**ALL, "src": ["ada@", "100.64.0.2"]}]}, None),
    "an owner of tags": ({"acls": [{**ALL, "src": ["ada@"]}], "tagOwners": {"tag:a": ["bob@"]}}, None),
    "a name by its address": ({"acls": [{**ALL, "src": ["ada@", "bob@example.com"]}]}, None),
}


@pytest.mark.parametrize(("policy", "warning"), FORGOTTEN.values(), ids=FORGOTTEN)
def test_declared_user_without_a_rule_warns(policy, warning):
    config = {"server_url": "https://vpn.example.com"}
    instance = HeadscaleArgs.model_validate(
        {"version": "v0.29.3", "config": config, "users": MADE_HERE, "policy": policy}
    )

    said = policy_warnings(policy_document(instance.policy), instance)

    assert (said == []) if warning is None else (warning in said[0])


@pytest.mark.parametrize(("version", "warns"), [("v0.27.1", True), ("v0.28.0", False)])
def test_unknown_member_warns_on_0_27_alone(version, warns):
    policy = {"groups": {"group:a": ["ada@", "cyd@example.com"]}, "acls": [{**ALL, "src": ["group:a"]}]}
    instance = HeadscaleArgs.model_validate(
        {
            "version": version,
            "config": {"server_url": "https://vpn.example.com", "oidc": LOGIN},
            "users": {"ada": {"adopt": True}},
            "policy": policy,
        }
    )

    said = policy_warnings(policy_document(instance.policy), instance)

    assert (["before the first login of `cyd@example.com`" in text for text in said] == [True]) is warns


REFUSED_FILES = {
    "a lone surrogate": ('{"groups": {"group:\\ud800": []}}', "lone surrogate"),
    "two spellings of a key": ('{"tagOwners": {}, "tag_owners": {}}', "which are one key"),
    "two spellings in a rule": (
        '{"acls": [{"action": "accept", "src": [], "Src": [], "dst": []}]}',
        "which are one key",
    ),
    "a carriage return behind a comment": ('// a\r{"acls": []}', "a comment without a line's end"),
    "a truth value as a protocol": (
        '{"acls": [{"action": "accept", "proto": true, "src": [], "dst": []}]}',
        "must be a text or a whole number",
    ),
    "null as a protocol": ('{"acls": [{"action": "accept", "proto": null, "src": [], "dst": []}]}', "is null"),
    "null in a newer section": ('{"grants": null}', "needs Headscale 0.29 or newer"),
    "a key that is ours": ('{"overwrite": true}', "overwrite: unknown key; known here: acls, autoApprovers, grants"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED_FILES.values(), ids=REFUSED_FILES)
def test_file_that_headscale_does_not_read_is_refused(tmp_path, text, message):
    (tmp_path / "p.hujson").write_bytes(text.encode())
    policy = PolicySpec(file=str(tmp_path / "p.hujson"))

    said = list(policy_problems(policy, {}, version=(0, 28), allow_undeclared_users=False))

    assert [message in text for text in {problem.message for problem in said}] == [True]


def test_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "p.hujson").write_bytes('{"hosts": {"b\u00fcro": "10.0.0.1"}}'.encode("latin-1"))

    said = policy_problems(PolicySpec(file=str(tmp_path / "p.hujson")), {}, version=None, allow_undeclared_users=True)

    assert "is not in UTF-8" in str(next(said))


@pytest.mark.parametrize("text", ["", "null", "{}"])
def test_file_that_says_nothing_is_taken(tmp_path, text):
    (tmp_path / "p.hujson").write_text(text)
    policy = PolicySpec(file=str(tmp_path / "p.hujson"))

    assert list(policy_problems(policy, {}, version=(0, 28), allow_undeclared_users=False)) == []
    assert policy_document(policy) == {}
    assert hujson.parse(policy_text(policy)) in ({}, None)


def test_merged_policy_keeps_letters_without_escapes():
    assert "tag:\u00e9" in policy_text(PolicySpec(tag_owners={"tag:\u00e9": ["alice@"]}))


INVALID_AND_SO_EMPTY = {
    "grant": {"grants": [{"src": ["*"], "dst": ["*"], "app": {"x": 1}}]},
    "test": {"tests": [{"src": "alice@", "accept": [1]}]},
    "test of logins": {"sshTests": [{"src": "alice@", "dst": ["tag:a"], "deny": [1]}]},
}


@pytest.mark.parametrize("policy", INVALID_AND_SO_EMPTY.values(), ids=INVALID_AND_SO_EMPTY)
def test_invalid_value_is_not_missing_too(policy):
    instance = {
        "version": "v0.29.3",
        "config": {"server_url": "https://vpn.example.com"},
        "users": {"alice": {}},
        "policy": {"tagOwners": {"tag:a": []}, **policy},
    }

    with pytest.raises(SpecError) as raised:
        HeadscaleArgs.model_validate(instance)

    assert len(raised.value.problems) == 1
