"""Names of users as Headscale takes them, which is wider than a DNS label."""

import pytest

from headscale_core.values.validators import username

TAKEN = (
    "alice",
    "a",
    "5",
    "2fast",
    "ada.lovelace",
    "svc_backup",
    "first.last-1",
    "Alice",
    "josé",
    "trailing-",
    "alice@example.com",
    "alice+ci@example.com",
    "first_last@corp",
    "x" * 253,
)
REFUSED = (
    "",
    "two words",
    "a@b@c",
    "@alice",
    "alice@",
    "-alice",
    ".alice",
    "_alice",
    "a,b",
    "a*",
    "a/b",
    "a+b",
    "tag:ci",
    "x\n",
    "x" * 254,
)


@pytest.mark.parametrize("name", TAKEN)
def test_username_of_headscale_is_taken(name):
    assert username(name) == name


@pytest.mark.parametrize("name", REFUSED)
def test_username_outside_the_rule_is_refused(name):
    with pytest.raises(ValueError, match=r"user name|a policy writes"):
        username(name)
