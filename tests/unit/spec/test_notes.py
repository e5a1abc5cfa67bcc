"""Notes on a valid instance: each has a name, fails nothing, and is silenced by its name."""

import pytest

from dynamic_providers.pre_auth_key import TAGS_NOTE
from headscale_component.spec import HeadscaleArgs, SpecError
from headscale_component.spec.note_names import NOTE_NAMES
from headscale_component.spec.notes import notes_on

CONFIG = {"server_url": "https://vpn.example.com"}
RECORDS = [{"name": "nas.example.org", "type": "A", "value": "100.64.0.9"}]
ALL = {"action": "accept", "src": ["*"], "dst": ["*:*"]}


def an_instance(**changes):
    config = {**CONFIG, **changes.pop("config", {})}
    return HeadscaleArgs.model_validate({"version": "v0.29.1", "config": config, **changes})


def dns(**changes):
    return {"config": {"dns": {"base_domain": "tailnet.example.net", "extra_records": RECORDS, **changes}}}


NOTED = {
    "a key for one node that goes": (
        {"preAuthKeys": {"ci": {"tags": ["tag:ci"], "ephemeral": True}}},
        "preAuthKeys.ci: is ephemeral and not reusable",
        "ephemeral-not-reusable",
    ),
    "one family of addresses": (
        {"config": {"prefixes": {"v4": "100.64.0.0/10"}}},
        "config.prefixes.v6: is not written and `fd7a:115c:a1e0::/48` by default",
        "address-family-added",
    ),
    "a record elsewhere": (
        dns(),
        "config.dns.extra_records[0].name: `nas.example.org` is not below `base_domain`",
        "record-outside-base-domain",
    ),
    "nobody may do anything": (
        {"policy": {"acls": []}},
        "the policy has no rule under `acls` or `grants`",
        "policy-locks-out",
    ),
    "a user without a rule": (
        {"users": {"ada": {}, "bob": {}}, "policy": {"acls": [{**ALL, "src": ["ada@"]}]}},
        "the policy does not name `bob`",
        "policy-users",
    ),
    "tests of the policy": (
        {"users": {"ada": {}}, "policy": {"acls": [ALL], "tests": [{"src": "ada@", "accept": ["ada@:22"]}]}},
        "policy.tests: Headscale refuses a policy with a test of users or tags that have no node yet",
        "policy-tests-need-nodes",
    ),
    "a version of the future": (
        {"version": "v0.31.0"},
        "Headscale v0.31.0 is newer than what is known here",
        "version-not-known",
    ),
}


@pytest.mark.parametrize(("changes", "text", "name"), NOTED.values(), ids=NOTED)
def test_note_has_place_and_name_and_is_silenced(changes, text, name):
    (note,) = notes_on(an_instance(**changes), "vpn")

    assert str(note).startswith(text)
    assert str(note).endswith(f" [{name}]")
    assert notes_on(an_instance(**changes, silence=[name]), "vpn") == []


QUIET = {
    "nothing written": {},
    "a reusable key": {"preAuthKeys": {"ci": {"tags": ["tag:ci"], "ephemeral": True, "reusable": True}}},
    "both families": {"config": {"prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48"}}},
    "a family switched off": {"config": {"prefixes": {"v4": "100.64.0.0/10", "v6": None}}},
    "a resolver for everything": dns(nameservers={"global": ["1.1.1.1"]}),
    "a split domain": dns(nameservers={"split": {"example.org": ["10.0.0.1"]}}),
    "a record below the domain": dns(base_domain="example.org"),
    "a policy for everybody": {"policy": {"acls": [ALL]}},
}


@pytest.mark.parametrize("changes", QUIET.values(), ids=QUIET)
def test_ordinary_instance_has_no_note(changes):
    assert notes_on(an_instance(**changes), "vpn") == []


def test_unknown_name_is_refused_with_known_ones():
    with pytest.raises(SpecError) as caught:
        an_instance(silence=["policy-users", "policy-user"])

    message = str(caught.value)
    assert message.startswith("silence[1]: must be `address-family-added`, ")
    assert message.endswith(" or `version-not-known`, not `policy-user`")


def test_names_are_sorted_and_hold_the_providers():
    assert [*NOTE_NAMES] == sorted(NOTE_NAMES)
    assert TAGS_NOTE in NOTE_NAMES
