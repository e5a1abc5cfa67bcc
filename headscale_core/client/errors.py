"""What can go wrong with a call to Headscale; `headscale_core.errors` draws the tree.

Headscale's own codes mislead: a wrong key is INTERNAL, most other things are UNKNOWN. So the class is decided by the
code and, where it is not specific enough, the text of the message, as seen on 0.26 to 0.29: hscontrol/grpcv1.go, and
`grpcAuthenticationInterceptor` in https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/app.go. No message holds
a key.
"""

from __future__ import annotations

from headscale_core.errors import HeadscaleError


class InvalidConnection(HeadscaleError):
    """The URL is malformed, or the certificate authority to trust is not PEM; nothing was asked."""


class ApiError(HeadscaleError):
    """A call to Headscale that failed.

    Attributes:
        method: The call, for example `CreateUser`.
        address: Where Headscale was looked for.
        detail: The message of Headscale or the network.
        retryable: Whether the same call may be repeated without harm and with hope.
    """

    summary = "failed"
    hint = ""
    retryable = False

    def __init__(self, method: str, address: str, detail: str) -> None:
        self.method, self.address, self.detail = method, address, detail
        hint = f"; {self.hint}" if self.hint else ""
        super().__init__(f"{method} on Headscale at {address} {self.summary}: {detail}{hint}")


class Unreachable(ApiError):
    """Nothing answers, or the connection broke."""

    summary = "failed to connect"
    hint = "check that the pod runs and that the address is right"
    retryable = True


class DeadlineExceeded(ApiError):
    """No answer in time."""

    summary = "got no answer in time"
    hint = "see Headscale's log; a pod with little CPU needs half a second for each authenticated call"
    retryable = True


class Unauthenticated(ApiError):
    """The API key is wrong, expired or missing."""

    summary = "was refused"
    hint = "the API key is wrong, expired or revoked: create a new one and put it where this one came from"


class PermissionDenied(ApiError):
    """The API key may not do this."""

    summary = "is not allowed"


class NotFound(ApiError):
    """No such object."""

    summary = "found no such object"


class AlreadyExists(ApiError):
    """The name is taken."""

    summary = "met one that exists"


class InvalidArgument(ApiError):
    """Headscale refuses a value."""

    summary = "was given a value that Headscale refuses"


class FailedPrecondition(ApiError):
    """The state of Headscale forbids it."""

    summary = "is not possible as things are"


class Unsupported(ApiError):
    """This version of Headscale cannot do it."""

    summary = "is not known to this version"


class ServerFault(ApiError):
    """Anything else that Headscale reports."""

    summary = "failed inside Headscale"
    hint = "see Headscale's log"


_BY_CODE: dict[str, type[ApiError]] = {
    "UNAVAILABLE": Unreachable,
    "CANCELLED": Unreachable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "INVALID_ARGUMENT": InvalidArgument,
    "OUT_OF_RANGE": InvalidArgument,
    "FAILED_PRECONDITION": FailedPrecondition,
    "UNIMPLEMENTED": Unsupported,
}

_BY_WORDS: tuple[tuple[tuple[str, ...], type[ApiError]], ...] = (
    (("failed to validate token", "validating token"), Unauthenticated),
    (("UNIQUE constraint", "duplicate key"), AlreadyExists),
    (("user not empty", "node(s) found", "update is disabled for modes"), FailedPrecondition),
    (("setting policy", "verifying SSH rules"), InvalidArgument),
    (("not found",), NotFound),
    (
        ("must be either tagged or owned", "must provide id or prefix", "parsing policy", "tag "),
        InvalidArgument,
    ),
)


def error_class(code: str, detail: str) -> type[ApiError]:
    """Return the class for a gRPC status.

    Args:
        code: The status by name, for example `INTERNAL`.
        detail: The message that came with it.
    """
    if code in _BY_CODE:
        return _BY_CODE[code]
    for words, kind in _BY_WORDS:
        if any(word in detail for word in words):
            return kind
    return ServerFault
