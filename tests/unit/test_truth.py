"""How differences between both sides are counted, grouped and explained, without an engine."""

import pytest

from tests.truth import inline, tables, words
from tests.truth.case import Case, question
from tests.truth.compare import AGREE_ACCEPT, AGREE_REFUSE, OF_NODES, TOO_LAX, TOO_STRICT, Outcome, groups, normalised
from tests.truth.known import KNOWN, explained, unused

UNDECLARED = "policy.file: acls[0].src[0]: `x@` is not under `users`; declare it there, with `adopt: true`"


def outcome(ours=None, theirs=None, version="0.29", text="{}", of_nodes=False):
    return Outcome(version, Case("cases", "a case", text), ours, theirs, of_nodes)


@pytest.mark.parametrize(
    ("ours", "theirs", "of_nodes", "verdict"),
    [
        (None, None, False, AGREE_ACCEPT),
        ("no", "no", False, AGREE_REFUSE),
        (None, "no", False, TOO_LAX),
        ("no", None, False, TOO_STRICT),
        (None, "no", True, OF_NODES),
        ("no", "no", True, AGREE_REFUSE),
    ],
)
def test_verdict_names_the_side_that_refuses(ours, theirs, of_nodes, verdict):
    assert outcome(ours, theirs, of_nodes=of_nodes).verdict == verdict


def test_messages_that_differ_in_names_are_one():
    messages = {
        normalised(
            f'parsing policy: parsing policy from bytes: json: {how} unmarshal JSON string into Go {to}: bad "{x}"'
        )
        for how, x in (("cannot", "a"), ("unable to", "b"))
        for to in ('v2.Hosts within "/hosts"', 'v2.Tag within "/acls/1"')
    }

    assert messages == {'JSON string: bad "…"'}


def test_group_shows_its_smallest_case():
    found = [outcome(theirs='no "b"', text="long text"), outcome(theirs='no "a"', text="short", version="0.28")]

    (group,) = groups(found, examples=1)

    assert dict(group.count) == {"0.28": 1, "0.29": 1}
    assert [example.case.text for example in group.examples] == ["short"]


def test_difference_with_a_reason_is_explained():
    meant = outcome(ours=UNDECLARED)

    assert "typing mistake" in explained([meant])[meant]


def test_difference_with_one_unknown_problem_is_not_explained():
    assert explained([outcome(ours=f"{UNDECLARED}\npolicy.file: acls[0].dst[0]: something else")]) == {}


def test_reason_of_one_version_holds_there_alone():
    ours = "policy.file: grants: needs Headscale 0.29 or newer; leave it out"

    assert len(explained([outcome(ours, version="0.26"), outcome(ours, version="0.27")])) == 1


def test_reason_without_a_difference_is_unused():
    meant = explained([outcome(ours=UNDECLARED)])

    assert len(unused(meant)) == len({known.why for known in KNOWN}) - 1
    assert not set(unused(meant)) & set(meant.values())


def test_policy_with_own_spellings_is_asked_inline():
    found = list(inline.cases())

    assert all(case.inline for case in found)
    assert not any('"SRC"' in case.text for case in found)
    assert any('"src"' in case.text for case in found)


def test_every_alias_stands_at_every_place():
    policies = list(tables.aliases())

    assert len(policies) == 20 * len({*words.ALIASES, *words.ODD_ALIASES})


def test_users_and_tags_have_a_node_each():
    asked = question(Case("cases", "a case", "", users={"alice": {}}), '{"tagOwners": {"tag:a": []}}')

    assert [node.get("user") or node["tags"] for node in asked["nodes"]] == [1, ["tag:a"]]
