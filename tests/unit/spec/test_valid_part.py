"""Rules between fields run on what is valid, and a mistake in a rule is never hidden by a mistake in a document."""

import pytest

from headscale_component.spec import HeadscaleArgs, SpecError, rules
from headscale_component.spec.model import InvalidFieldError
from headscale_component.spec.policy import PolicySpec
from headscale_component.spec.policy.merge import added_sections
from headscale_component.spec.valid_part import invalid_fields, rule, valid_part

SERVER = {"server_url": "https://vpn.example.com"}


def problems(**changes):
    with pytest.raises(SpecError) as caught:
        HeadscaleArgs.model_validate({"version": "v0.29.3", "config": SERVER, **changes})
    return [str(problem) for problem in caught.value.problems]


def test_invalid_field_cannot_be_read():
    part = valid_part(HeadscaleArgs, {"version": "latest", "config": SERVER})

    assert invalid_fields(part) == {"version"}
    with pytest.raises(InvalidFieldError, match=r"HeadscaleArgs\.version"):
        _ = part.version


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError):
        getattr(valid_part(HeadscaleArgs, {}), "no_such_" + "field")


def test_valid_part_has_defaults_and_both_spellings():
    part = valid_part(
        HeadscaleArgs,
        {"replicas": "x", "api_key": {"secretName": "A B", "rotation_buffer": "1h"}, "apiKeys": {"ui": None}},
    )

    assert (part.namespace, part.config.listen_addr) == ("headscale", "0.0.0.0:8080")
    assert (part.api_key.expiration, part.api_key.rotation_buffer) == ("2160h", "1h")
    assert invalid_fields(part.api_key) == {"secret_name"}
    assert part.api_keys["ui"].overlap == "10m"


def test_sections_are_validated_one_by_one():
    part = valid_part(HeadscaleArgs, {"users": {"A B": {}, "bob": None, "eve": {"email": "x"}, "max": 5, 7: {}}})

    assert [invalid_fields(user) for user in part.users.values()][:3] == [frozenset(), frozenset(), {"email"}]
    assert list(part.users) == ["A B", "bob", "eve", "max"]


def test_policy_sections_leave_out_invalid_values():
    part = valid_part(PolicySpec, {"acls": [{"action": "drop", "src": ["*"], "dst": ["*:*"]}, 5], "hosts": 5})

    assert added_sections(part) == {"acls": [{"src": ["*"], "dst": ["*:*"]}, {}]}


@pytest.mark.parametrize("error", [TypeError, ValueError, AttributeError])
def test_error_in_a_rule_is_not_swallowed(monkeypatch, error):
    @rule
    def broken(_):
        raise error("in the rule")
        yield

    monkeypatch.setattr(rules, "RULES", (broken,))

    with pytest.raises(error, match="in the rule"):
        HeadscaleArgs.model_validate({"version": 5})


BESIDE = {
    "an unknown version": {"version": "latest"},
    "a config that is none": {"config": 5},
    "a missing config": {"config": None},
    "a bad user": {"users": {"A B": {"email": "x"}, "bob": {}}},
    "a bad instance key": {"apiKey": {"secretName": "A B"}},
    "a bad log level": {"config": {**SERVER, "log": {"level": "loud"}}},
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_rules_find_theirs_beside_invalid_fields(beside):
    found = problems(
        **{
            "replicas": 2,
            "users": {"bob": {}},
            "preAuthKeys": {
                "k": {"user": "nobody", "expiration": "soon"},
                "l": {"tags": 5, "userId": 1, "user": "bob"},
            },
            "apiKeys": {"ui": {"expiration": "1h"}, "ci": {"secretName": "ui"}},
            **beside,
        }
    )

    paths = {line.split(": ")[0] for line in found}
    assert {"replicas", "preAuthKeys.k.user", "preAuthKeys.l", "apiKeys.ui.rotationBuffer"} <= paths
    assert {"preAuthKeys.k.expiration", "apiKeys.ci.secretName"} <= paths


def test_policy_is_checked_beside_invalid_rules():
    found = problems(
        policy={
            "groups": {"group:a": "alice@"},
            "acls": [
                {"action": "drop", "src": ["group:a"], "dst": ["tag:x:1"]},
                {"action": "accept", "src": ["*"], "dst": ["*"]},
            ],
        }
    )

    assert {line.split(": ")[0] for line in found} == {
        "policy.groups.group:a",
        "policy.acls[0].action",
        "policy.acls[0].dst[0]",
        "policy.acls[1].dst[0]",
    }


def test_invalid_key_is_reported_as_unread_too():
    found = problems(version="v0.27.1", config={**SERVER, "taildrop": {"enabled": "x"}})

    assert {line.split(": ")[0] for line in found} == {"config.taildrop.enabled", "config.taildrop"}
