"""Names of a directory, with dots, underscores and capitals, as users of a stack."""

import pytest

from headscale_component.spec import HeadscaleArgs, resource_names
from headscale_component.spec.additions import check_user
from headscale_component.spec.errors import SpecError
from tests.builders import an_instance

NAMES = ("ada.lovelace", "svc_backup", "Alice", "alice", "josé", "bob@example.com", "Bob@Example.com")
POLICY = {
    "groups": {"group:admin": ["ada.lovelace@", "svc_backup@", "Alice@", "bob@example.com"]},
    "acls": [{"action": "accept", "src": ["group:admin"], "dst": ["ada.lovelace@:*"]}],
}


def declared(**changes):
    return HeadscaleArgs.model_validate(an_instance(users={name: {} for name in NAMES}, **changes))


def test_name_with_dot_is_declared_to_policy():
    assert list(declared(policy=POLICY).users) == list(NAMES)


def test_other_capitals_are_another_user():
    with pytest.raises(SpecError, match="`ALICE@`"):
        declared(policy={"acls": [{"action": "accept", "src": ["ALICE@"], "dst": ["*:*"]}]})


def test_added_user_may_have_a_dot():
    assert check_user(declared(), "first.last", None).adopt is None


def test_resources_of_users_have_different_names():
    names = [name for kind, name, _ in resource_names.names_of("vpn", declared()) if kind == "User"]

    assert names == [f"vpn-{name}" for name in NAMES]
    assert len(set(names)) == len(NAMES)
    assert not any("::" in name for name in names), "a URN is split there"


ON_0_26 = {"a digit first": "2fast", "one letter": "a", "a plus": "alice+ci@example.com"}


@pytest.mark.parametrize("name", ON_0_26.values(), ids=ON_0_26)
def test_name_that_only_newer_versions_take(name):
    HeadscaleArgs.model_validate(an_instance(version="v0.27.1", users={name: {}}))
    HeadscaleArgs.model_validate(an_instance(version="v0.26.1", users={name: {"adopt": True}}))

    with pytest.raises(SpecError, match=r"Headscale 0\.26 takes names"):
        HeadscaleArgs.model_validate(an_instance(version="v0.26.1", users={name: {}}))
