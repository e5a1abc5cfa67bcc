"""Users and keys that a program adds are refused as those of a stack file are."""

from typing import Any

import pytest

from headscale_component.spec import (
    HeadscaleArgs,
    SpecError,
    UserSpec,
    check_api_key,
    check_pre_auth_key,
    check_user,
    load_instances,
)
from headscale_component.spec.model import EncryptedValue

DECLARED: dict[str, Any] = {
    "version": "v0.27.1",
    "config": {"server_url": "https://vpn.example.com"},
    "users": {"alice": {"adopt": 5}},
    "preAuthKeys": {"ci": {"user": "alice"}},
}
INSTANCE = HeadscaleArgs.model_validate(DECLARED)
CHECKS: dict[str, Any] = {"users": check_user, "preAuthKeys": check_pre_auth_key, "apiKeys": check_api_key}

REFUSED = {
    "a bad address": ("users", "bob", {"email": "bob"}),
    "a bad name": ("users", "Bob B", {}),
    "an unknown key": ("users", "bob", {"emial": "bob@example.com"}),
    "an id that is adopted": ("users", "bob", {"adopt": 5}),
    "a rename from a declared name": ("users", "bob", {"renamedFrom": "alice"}),
    "a user that goes and stays": ("users", "bob", {"forceDelete": True, "retain": True}),
    "a key of nobody": ("preAuthKeys", "laptop", {}),
    "a key of two": ("preAuthKeys", "laptop", {"user": "alice", "userId": 5}),
    "a key of an unknown user": ("preAuthKeys", "laptop", {"user": "bob"}),
    "a key that lives for ever": ("preAuthKeys", "laptop", {"user": "alice", "expiration": "never"}),
    "a key with tags before 0.28": ("preAuthKeys", "laptop", {"tags": ["tag:ci"]}),
    "a renewal without end": ("preAuthKeys", "laptop", {"user": "alice", "renewBefore": "2h"}),
    "a Secret of a declared key": ("preAuthKeys", "laptop", {"user": "alice", "secretName": "ci"}),
    "the instance's own Secret": ("apiKeys", "headscale-api-key", None),
    "a rotation without end": ("apiKeys", "ui", {"expiration": "1h"}),
    "a bad name of a key": ("apiKeys", "A B", None),
    "several at once": ("apiKeys", "ui", {"expiration": "1h", "secretKey": "a/b", "secretName": "ci"}),
}


@pytest.mark.parametrize(("section", "name", "spec"), REFUSED.values(), ids=REFUSED)
def test_addition_is_refused_as_in_a_stack_file(section, name, spec):
    document = {**DECLARED, section: {**DECLARED.get(section, {}), name: spec}}
    with pytest.raises(SpecError) as in_file:
        load_instances({"vpn": document})
    with pytest.raises(SpecError) as added:
        CHECKS[section](INSTANCE, name, spec)

    expected = [str(problem).removeprefix("headscale:instances.vpn.") for problem in in_file.value.problems]
    assert [str(problem) for problem in added.value.problems] == expected


def test_path_names_section_name_and_field():
    with pytest.raises(SpecError, match=r"^users\.bob\.email: must be an e-mail address"):
        check_user(INSTANCE, "bob", {"email": "bob"})


def test_valid_addition_is_returned_as_a_model():
    assert check_user(INSTANCE, "bob", None) == UserSpec()
    assert check_user(INSTANCE, "alice", INSTANCE.users["alice"]) is INSTANCE.users["alice"]
    assert check_pre_auth_key(INSTANCE, "laptop", {"user": "bob"}, {"bob": UserSpec()}).user == "bob"
    assert check_api_key(INSTANCE, "ui", {"rotation_buffer": "48h"}).rotation_buffer == "48h"


def test_earlier_additions_are_known():
    ui = check_api_key(INSTANCE, "ui", None)

    with pytest.raises(SpecError, match=r"preAuthKeys\.ui\.secretName: Secret `ui` is written by `apiKeys\.ui` too"):
        _ = check_pre_auth_key(INSTANCE, "ui", {"user": "alice"}, known_api_keys={"ui": ui})
    with pytest.raises(SpecError, match=r"users\.carl\.adopt: `7` is adopted by `bob` too"):
        check_user(INSTANCE, "carl", {"adopt": 7}, {"bob": UserSpec(adopt=7)})


def test_secret_of_unknown_name_or_place_is_taken():
    unknown = EncryptedValue()

    assert check_api_key(INSTANCE, "ci", {"secretName": unknown}).secret_name is unknown
    assert check_api_key(INSTANCE, "ci", {"secretNamespace": unknown}).secret_namespace is unknown
