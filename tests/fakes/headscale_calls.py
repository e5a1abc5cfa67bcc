"""The calls that a Headscale has: their messages, their routes by REST, and what REST makes of a gRPC status."""

import re
from urllib.parse import unquote

import grpc

from headscale_core.client._proto import headscale_pb2 as wire

Code = grpc.StatusCode
SERVICE = "/headscale.v1.HeadscaleService/"
KEY_IDS_SINCE = 28
"""The minor version from which preauth keys are named by their own ids, and keys are masked in lists."""

REQUESTS = {
    "Health": (wire.Empty, 27),
    "ListUsers": (wire.ListUsersRequest, 26),
    "CreateUser": (wire.CreateUserRequest, 26),
    "RenameUser": (wire.RenameUserRequest, 26),
    "DeleteUser": (wire.DeleteUserRequest, 26),
    "ListPreAuthKeys": (wire.ListPreAuthKeysRequest, 26),
    "CreatePreAuthKey": (wire.CreatePreAuthKeyRequest, 26),
    "ExpirePreAuthKey": (wire.PreAuthKeyRequest, 26),
    "DeletePreAuthKey": (wire.PreAuthKeyRequest, KEY_IDS_SINCE),
    "ListApiKeys": (wire.Empty, 26),
    "CreateApiKey": (wire.CreateApiKeyRequest, 26),
    "ExpireApiKey": (wire.ApiKeyRequest, 26),
    "DeleteApiKey": (wire.ApiKeyRequest, 26),
    "ListNodes": (wire.ListNodesRequest, 26),
    "DeleteNode": (wire.NodeRequest, 26),
    "ExpireNode": (wire.NodeRequest, 26),
    "GetPolicy": (wire.Empty, 26),
    "SetPolicy": (wire.Policy, 26),
    "CheckPolicy": (wire.Policy, 29),
}
"""The message that a call takes, and the minor version that brought the call."""

ROUTES = {
    ("GET", "health"): "Health",
    ("GET", "user"): "ListUsers",
    ("POST", "user"): "CreateUser",
    ("POST", "user/{oldId}/rename/{newName}"): "RenameUser",
    ("DELETE", "user/{id}"): "DeleteUser",
    ("GET", "preauthkey"): "ListPreAuthKeys",
    ("POST", "preauthkey"): "CreatePreAuthKey",
    ("POST", "preauthkey/expire"): "ExpirePreAuthKey",
    ("DELETE", "preauthkey"): "DeletePreAuthKey",
    ("GET", "apikey"): "ListApiKeys",
    ("POST", "apikey"): "CreateApiKey",
    ("POST", "apikey/expire"): "ExpireApiKey",
    ("DELETE", "apikey/{prefix}"): "DeleteApiKey",
    ("GET", "node"): "ListNodes",
    ("DELETE", "node/{nodeId}"): "DeleteNode",
    ("POST", "node/{nodeId}/expire"): "ExpireNode",
    ("GET", "policy"): "GetPolicy",
    ("PUT", "policy"): "SetPolicy",
    ("POST", "policy/check"): "CheckPolicy",
}
"""The HTTP annotations of Headscale's proto/headscale/v1/headscale.proto."""

HTTP_STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
"""As grpc-gateway translates them; all others are 500 (runtime.HTTPStatusFromCode)."""


def function_name(method):
    """Return a method in Python's spelling."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method).lower()


def routed(verb, path):
    """Return the call that a path leads to, and the fields in it."""
    parts = path.split("/")
    for (its_verb, pattern), method in ROUTES.items():
        names = pattern.split("/")
        if its_verb == verb and len(names) == len(parts):
            pairs = list(zip(names, parts, strict=True))
            if all(name == part or name.startswith("{") for name, part in pairs):
                return method, {name[1:-1]: unquote(part) for name, part in pairs if name.startswith("{")}
    return None, {}
