"""Which class each failure of a call becomes, by literal tables of gRPC codes, HTTP statuses, words and exceptions."""

import inspect
import json

import grpc
import httpx
import pytest

import headscale_core
from headscale_core import ApiError, HeadscaleClient, HeadscaleError, InvalidConnection
from headscale_core import errors as tree
from headscale_core.client import errors
from headscale_core.client.errors import error_class
from headscale_core.client.rest_transport import RestTransport

CODES = {
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
STATUSES = {
    400: errors.InvalidArgument,
    401: errors.Unauthenticated,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.AlreadyExists,
    418: errors.ServerFault,
    422: errors.InvalidArgument,
    500: errors.ServerFault,
    502: errors.Unreachable,
    503: errors.Unreachable,
    504: errors.DeadlineExceeded,
}
RAISED_BY_HTTPX = {
    httpx.ConnectError("refused"): errors.Unreachable,
    httpx.ReadError("reset"): errors.Unreachable,
    httpx.RemoteProtocolError("no HTTP"): errors.Unreachable,
    httpx.ProxyError("proxy"): errors.Unreachable,
    httpx.UnsupportedProtocol("ftp"): errors.Unreachable,
    httpx.InvalidURL("no URL"): errors.Unreachable,
    RuntimeError("the client has been closed"): errors.Unreachable,
    httpx.ConnectTimeout("slow"): errors.DeadlineExceeded,
    httpx.ReadTimeout("slow"): errors.DeadlineExceeded,
    httpx.PoolTimeout("slow"): errors.DeadlineExceeded,
}


def rest(handler):
    """Return a client by REST whose answers a function gives."""
    transport = RestTransport("http://headscale")
    transport._http = httpx.Client(base_url="http://headscale", transport=httpx.MockTransport(handler))
    return HeadscaleClient(transport)


def test_table_of_codes_is_complete():
    assert set(CODES) == {code.name for code in grpc.StatusCode} - {"OK"}


@pytest.mark.parametrize(("code", "kind"), CODES.items(), ids=CODES)
def test_grpc_code_becomes_its_class(code, kind):
    assert error_class(code, "something is wrong") is kind


@pytest.mark.parametrize(("status", "kind"), STATUSES.items(), ids=map(str, STATUSES))
def test_http_status_becomes_its_class(status, kind):
    problem = json.dumps({"detail": "something is wrong"})

    with rest(lambda _: httpx.Response(status, text=problem)) as client, pytest.raises(ApiError) as caught:
        client.list_users()

    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("error", "kind"), RAISED_BY_HTTPX.items(), ids=lambda value: getattr(value, "__name__", repr(value))
)
@pytest.mark.parametrize("call", ["list_users", "version"])
def test_error_of_httpx_becomes_its_class(call, error, kind):
    def fail(_):
        raise error

    with rest(fail) as client, pytest.raises(ApiError) as caught:
        getattr(client, call)()

    assert type(caught.value) is kind


def test_answer_of_another_shape_is_a_fault():
    with (
        rest(lambda _: httpx.Response(200, json={"users": "none"})) as client,
        pytest.raises(errors.ServerFault, match="unexpected answer"),
    ):
        client.list_users()


@pytest.mark.parametrize("pem", [b"no PEM", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_malformed_authority_is_an_invalid_connection(pem):
    with pytest.raises(InvalidConnection, match="certificate authority to trust cannot be loaded"):
        HeadscaleClient.over_http("https://h", api_key="k", ca_certificate=pem)


def test_malformed_url_is_an_invalid_connection():
    with pytest.raises(InvalidConnection, match="is not a URL"):
        HeadscaleClient.over_http("https://h:port", api_key="k")


EXPORTED = {name: getattr(headscale_core, name) for name in headscale_core.__all__}
ERRORS = {name: kind for name, kind in EXPORTED.items() if inspect.isclass(kind) and issubclass(kind, BaseException)}


def test_exported_errors_are_those_of_the_tree():
    drawn = {line.strip(" │├└─").split()[0] for line in tree.__doc__.splitlines() if line.startswith("    ")}

    assert set(ERRORS) == drawn


@pytest.mark.parametrize("kind", ERRORS.values(), ids=ERRORS)
def test_exported_error_has_the_one_base(kind):
    assert issubclass(kind, HeadscaleError)


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
def test_ambiguous_code_is_classified_by_detail(code, detail, kind):
    assert error_class(code, detail) is kind


def test_error_names_call_place_reason_and_action():
    error = errors.Unreachable("ListUsers", "127.0.0.1:50480", "connection refused")

    assert str(error) == (
        "ListUsers on Headscale at 127.0.0.1:50480 failed to connect: connection refused; "
        "check that the pod runs and that the address is right"
    )
