"""What an error says, and which words decide where a code says too little."""

import pytest

from headscale_core.client import errors
from headscale_core.client.errors import error_class

WORDS = {
    "failed to validate token": errors.Unauthenticated,
    "validating token": errors.Unauthenticated,
    "creating user: constraint failed: UNIQUE constraint failed: users.name (2067)": errors.AlreadyExists,
    'ERROR: duplicate key value violates unique constraint "idx_name"': errors.AlreadyExists,
    "user not found": errors.NotFound,
    "record not found": errors.NotFound,
    "loading ACL from database: acl policy not found": errors.NotFound,
    "user not empty: node(s) found": errors.FailedPrecondition,
    "update is disabled for modes other than 'database'": errors.FailedPrecondition,
    "auth-key must be either tagged or owned by user": errors.InvalidArgument,
    "database is locked": errors.ServerFault,
}


@pytest.mark.parametrize(("detail", "kind"), WORDS.items(), ids=WORDS)
@pytest.mark.parametrize("code", ["UNKNOWN", "INTERNAL"])
def test_a_code_that_says_too_little_is_told_apart_by_headscales_words(code, detail, kind):
    assert error_class(code, detail) is kind


def test_an_error_says_what_failed_where_why_and_what_to_do():
    error = errors.Unreachable("ListUsers", "127.0.0.1:50480", "connection refused")

    assert str(error) == (
        "ListUsers on Headscale at 127.0.0.1:50480 found nobody there: connection refused; "
        "check that the pod runs and that the address is right"
    )
