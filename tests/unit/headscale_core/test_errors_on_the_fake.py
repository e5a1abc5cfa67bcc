"""What each answer of a server is called, and whether the call may be repeated: literally, over the wire."""

import json

import grpc
import pytest

from headscale_core import (
    AlreadyExists,
    ApiError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServerFault,
    Unauthenticated,
    Unreachable,
    Unsupported,
)
from tests.fakes.headscale import FakeHeadscale
from tests.fakes.headscale_fixtures import *  # noqa: F403 - the servers

BY_GRPC_CODE = {
    "CANCELLED": Unreachable,
    "UNKNOWN": ServerFault,
    "INVALID_ARGUMENT": InvalidArgument,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": ServerFault,
    "FAILED_PRECONDITION": FailedPrecondition,
    "ABORTED": ServerFault,
    "OUT_OF_RANGE": InvalidArgument,
    "UNIMPLEMENTED": Unsupported,
    "INTERNAL": ServerFault,
    "UNAVAILABLE": Unreachable,
    "DATA_LOSS": ServerFault,
    "UNAUTHENTICATED": Unauthenticated,
}
BY_WORDS = {
    "failed to validate token": Unauthenticated,
    "validating token": Unauthenticated,
    "constraint failed: UNIQUE constraint failed: users.name (2067)": AlreadyExists,
    'duplicate key value violates unique constraint "idx"': AlreadyExists,
    "user not empty: node(s) found": FailedPrecondition,
    "update is disabled for modes other than 'database'": FailedPrecondition,
    "setting policy: parsing policy: unexpected end": InvalidArgument,
    "verifying SSH rules: no": InvalidArgument,
    "record not found": NotFound,
    "auth-key must be either tagged or owned by user": InvalidArgument,
    "must provide id or prefix": InvalidArgument,
    "tag should be lowercase": InvalidArgument,
    "disk I/O error": ServerFault,
}
BY_HTTP_STATUS = {
    400: InvalidArgument,
    401: Unauthenticated,
    403: PermissionDenied,
    409: AlreadyExists,
    422: InvalidArgument,
    500: ServerFault,
    502: Unreachable,
    503: Unreachable,
    504: DeadlineExceeded,
}
RETRYABLE = {Unreachable, DeadlineExceeded}


@pytest.fixture(scope="module")
def served():
    """One server of each transport, for what is only read."""
    with (
        FakeHeadscale("0.29") as by_grpc,
        FakeHeadscale("0.29", "rest") as by_rest,
        by_grpc.client() as grpc_client,
        by_rest.client() as rest_client,
    ):
        yield {"grpc": (by_grpc, grpc_client), "rest": (by_rest, rest_client)}


@pytest.fixture(params=["grpc", "rest"])
def server_and_client(request, served):
    server, client = served[request.param]
    yield server, client
    server.refuse, server.proxy = lambda _method: None, lambda _path: None


def error_of(client):
    with pytest.raises(ApiError) as caught:
        client.list_users()
    assert caught.value.retryable is (type(caught.value) in RETRYABLE)
    return type(caught.value)


@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode if code.name != "OK"])
def test_grpc_status_becomes_its_error(server_and_client, code):
    server, client = server_and_client
    server.refuse = lambda _method: (grpc.StatusCode[code], "something is wrong")

    assert error_of(client) is BY_GRPC_CODE[code]


@pytest.mark.parametrize("words", BY_WORDS)
def test_status_unknown_is_decided_by_its_words(server_and_client, words):
    server, client = server_and_client
    server.refuse = lambda _method: (grpc.StatusCode.UNKNOWN, words)

    assert error_of(client) is BY_WORDS[words]


BODIES = {
    "page of a proxy": "<html>no</html>",
    "problem of 0.30": json.dumps({"title": "No", "status": 0, "detail": "something is wrong"}),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", BY_HTTP_STATUS)
def test_http_status_becomes_its_error(served, status, body):
    server, client = served["rest"]
    server.proxy = lambda _path: (status, body)
    try:
        assert error_of(client) is BY_HTTP_STATUS[status]
    finally:
        server.proxy = lambda _path: None


@pytest.mark.parametrize("status", [200, 404, 405])
def test_page_of_another_server_is_unsupported(served, status):
    server, client = served["rest"]
    server.proxy = lambda _path: (status, "<html>Welcome</html>")
    try:
        assert error_of(client) is Unsupported
    finally:
        server.proxy = lambda _path: None


def test_problem_of_0_30_names_its_details(served):
    server, client = served["rest"]
    problem = {"detail": "validation failed", "errors": [{"message": "expected string"}]}
    server.proxy = lambda _path: (422, json.dumps(problem))
    try:
        with pytest.raises(InvalidArgument, match="validation failed: expected string"):
            client.list_users()
    finally:
        server.proxy = lambda _path: None


def test_rest_of_an_older_version_is_unsupported():
    with (
        FakeHeadscale("0.27", "rest") as server,
        server.client() as client,
        pytest.raises(Unsupported, match=r"0\.28 and newer; use gRPC"),
    ):
        client.version()


def test_finding_the_version_only_reads(any_headscale):
    with any_headscale.client() as client:
        client.version()

    assert set(any_headscale.calls) <= {"Health", "ListUsers", "ListPreAuthKeys", "CheckPolicy"}


def test_health_lists_no_user(any_headscale):
    with any_headscale.client() as client:
        client.health()

    assert any_headscale.calls == (["ListUsers"] if any_headscale.version == "0.26" else ["Health"])


def test_refused_call_is_not_repeated(any_headscale):
    with any_headscale.client() as client:
        any_headscale.refuse = lambda _method: (grpc.StatusCode.UNAVAILABLE, "closing")
        assert error_of(client) is Unreachable

    assert any_headscale.calls == ["ListUsers"]
