"""What each status of gRPC is called here, literally; `test_errors_on_the_fake` has those of HTTP, over the wire."""

import grpc
import httpx
import pytest

import headscale_core
from headscale_core import ApiError, HeadscaleClient, HeadscaleError, InvalidConnection
from headscale_core import errors as tree
from headscale_core.client import errors
from headscale_core.client.errors import error_class

BY_CODE = {
    "CANCELLED": errors.Unreachable,
    "UNKNOWN": errors.ServerFault,
    "INVALID_ARGUMENT": errors.InvalidArgument,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "NOT_FOUND": errors.NotFound,
    "ALREADY_EXISTS": errors.AlreadyExists,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "RESOURCE_EXHAUSTED": errors.ServerFault,
    "FAILED_PRECONDITION": errors.FailedPrecondition,
    "ABORTED": errors.ServerFault,
    "OUT_OF_RANGE": errors.InvalidArgument,
    "UNIMPLEMENTED": errors.Unsupported,
    "INTERNAL": errors.ServerFault,
    "UNAVAILABLE": errors.Unreachable,
    "DATA_LOSS": errors.ServerFault,
    "UNAUTHENTICATED": errors.Unauthenticated,
}


@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode if code.name != "OK"])
def test_grpc_code_becomes_its_error_class(code):
    assert error_class(code, "whatever") is BY_CODE[code]


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
def test_vague_code_is_decided_by_headscales_words(code, detail, kind):
    assert error_class(code, detail) is kind


def test_precise_code_is_not_overruled_by_words():
    assert error_class("PERMISSION_DENIED", "user not found") is errors.PermissionDenied


def test_an_error_says_what_failed_where_why_and_what_to_do():
    error = errors.Unreachable("ListUsers", "127.0.0.1:50480", "connection refused")

    assert str(error) == (
        "ListUsers on Headscale at 127.0.0.1:50480 found nobody there: connection refused; "
        "check that the pod runs and that the address is right"
    )
