"""Calls over REST, the only API of Headscale from 0.30 on.

The paths and the JSON are those of the gRPC messages (0.28 and 0.29 translate one into the other, 0.30 kept the shape),
so that a client uses the same messages over both transports. The paths are the `google.api.http` options in
https://github.com/juanfont/headscale/blob/v0.29.3/proto/headscale/v1/headscale.proto.
"""

from __future__ import annotations

import re
import ssl
from typing import Any
from urllib.parse import quote

import grpc
import httpx
from google.protobuf import json_format
from google.protobuf.message import Message

from headscale_core.client.errors import (
    ApiError,
    DeadlineExceeded,
    InvalidConnection,
    ServerFault,
    Unreachable,
    Unsupported,
    error_class,
)
from headscale_core.client.grpc_transport import MAX_DETAIL, Answer
from headscale_core.values.versions import REST, UNRELEASED_HEADSCALE, HeadscaleVersion

_ROUTES = {
    "Health": ("GET", "health"),
    "ListUsers": ("GET", "user"),
    "CreateUser": ("POST", "user"),
    "RenameUser": ("POST", "user/{oldId}/rename/{newName}"),
    "DeleteUser": ("DELETE", "user/{id}"),
    "ListPreAuthKeys": ("GET", "preauthkey"),
    "CreatePreAuthKey": ("POST", "preauthkey"),
    "ExpirePreAuthKey": ("POST", "preauthkey/expire"),
    "DeletePreAuthKey": ("DELETE", "preauthkey"),
    "ListApiKeys": ("GET", "apikey"),
    "CreateApiKey": ("POST", "apikey"),
    "ExpireApiKey": ("POST", "apikey/expire"),
    "DeleteApiKey": ("DELETE", "apikey/{prefix}"),
    "ListNodes": ("GET", "node"),
    "DeleteNode": ("DELETE", "node/{nodeId}"),
    "ExpireNode": ("POST", "node/{nodeId}/expire"),
    "GetPolicy": ("GET", "policy"),
    "SetPolicy": ("PUT", "policy"),
    "CheckPolicy": ("POST", "policy/check"),
}

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}

_BY_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    422: "INVALID_ARGUMENT",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_FOREIGN = (httpx.HTTPError, httpx.InvalidURL, RuntimeError)
"""What httpx raises of a request (https://www.python-httpx.org/exceptions/), RuntimeError where another thread has
closed the client."""


_DEVELOPMENT = HeadscaleVersion(0, 0)
"""The version of a build that is not of a tag begins with `v0.0.0`."""


class RestTransport:
    """Calls over HTTP, safe to share between threads.

    Args:
        url: `http(s)://host:port`, where Headscale is reached.
        api_key: The key to show; None on the unix socket, and on the relay that leads to it.
        unix_socket: Path of the socket to use instead of the network.
        trust: Whom to trust in TLS; None for the system's authorities.
        server_name: The name to expect in the certificate, where it differs from the address.
        timeout_seconds: Deadline of each call, in seconds; 10 by default.

    Raises:
        InvalidConnection: When the URL is malformed.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        unix_socket: str | None = None,
        trust: ssl.SSLContext | None = None,
        server_name: str | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        self.address = unix_socket or url
        self._name = {"sni_hostname": server_name} if server_name else {}
        carrier = httpx.HTTPTransport(uds=unix_socket, verify=trust or True, trust_env=False)
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            self._http = httpx.Client(base_url=url, headers=headers, transport=carrier, timeout=timeout_seconds)
        except httpx.InvalidURL as error:
            raise InvalidConnection(f"`{url}` is not a URL ({error}): write it as `https://vpn.example.com`") from None

    def call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        """Call a method and return its answer."""
        if method not in _ROUTES:
            raise Unsupported(method, self.address, "REST has no such call")
        verb, path = _ROUTES[method]
        fields = json_format.MessageToDict(request)
        # An absent name would make another path of it.
        for part in re.findall(r"{(\w+)}", path):
            path = path.replace(f"{{{part}}}", quote(str(fields.pop(part, "0")), safe=""))
        inside = {"json": fields} if verb in {"POST", "PUT"} else {"params": fields}
        body = self._send(method, verb, path, inside)
        try:
            return json_format.ParseDict(body, answer(), ignore_unknown_fields=True)
        except json_format.ParseError as error:
            raise ServerFault(method, self.address, f"unexpected answer: {error}"[:MAX_DETAIL]) from None

    def _send(self, method: str, verb: str, path: str, inside: dict[str, Any]) -> dict[str, Any]:
        response = self._request(method, verb, f"/api/v1/{path}", **inside)
        body = _json(response)
        if response.is_success and body is not None:
            return body
        raise self._error(method, response, body)

    def _request(self, method: str, verb: str, path: str, **inside: Any) -> httpx.Response:  # noqa: ANN401 - as httpx
        """Return any answer; what httpx raises where there is none is mapped here, and nowhere else."""
        try:
            return self._http.request(verb, path, extensions=self._name, **inside)
        except httpx.TimeoutException as error:
            raise DeadlineExceeded(method, self.address, str(error) or "timeout") from None
        except _FOREIGN as error:
            raise Unreachable(method, self.address, _error_text(error)) from None

    def _error(self, method: str, response: httpx.Response, body: dict[str, Any] | None) -> ApiError:
        """Return what an answer means: a gRPC status on 0.28 and 0.29, RFC 7807 from 0.30, or a proxy's page."""
        status = _BY_STATUS.get(response.status_code, "UNKNOWN")
        if body is None:
            text = f"HTTP status {response.status_code}: {response.text.strip()[:100]}"
            kind = Unsupported if response.status_code in {200, 404, 405} else error_class(status, text)
            return kind(method, self.address, text)
        if "code" in body:
            detail = str(body.get("message", ""))[:MAX_DETAIL]
            return error_class(_CODES.get(int(body["code"]), "UNKNOWN"), detail)(method, self.address, detail)
        inner = [str(value.get("message", "")) for value in body.get("errors") or ()]
        detail = ": ".join(filter(None, [str(body.get("detail", "")), *inner]))[:MAX_DETAIL]
        by_words = error_class("UNKNOWN", detail)
        kind = error_class(status, detail) if by_words is ServerFault else by_words
        return kind(method, self.address, detail)

    def version(self) -> HeadscaleVersion:
        """Return the server's minor version, by `/version`; a development build counts as newer than all releases.

        Raises:
            Unsupported: When the server is older than `REST`, or the answer is not one of Headscale.
            ApiError: When the server cannot be reached.
        """
        response = self._request("version", "GET", "/version")
        if response.status_code == httpx.codes.NOT_FOUND:
            # The unix socket serves the API alone, and accepts HTTP since 0.30.
            return UNRELEASED_HEADSCALE
        body = _json(response) or {}
        version = HeadscaleVersion.parse_or_none(str(body.get("version", "")))
        if version is None or version == _DEVELOPMENT:
            version = UNRELEASED_HEADSCALE
        if not body or not REST.is_in(version):
            raise Unsupported("version", self.address, f"REST is supported with {REST.first} and newer; use gRPC")
        return version

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _error_text(error: Exception) -> str:
    """Return the text of an error, unless it may contain a header: one of them is the key."""
    return type(error).__name__ if isinstance(error, httpx.LocalProtocolError) else str(error)[:MAX_DETAIL]


def _json(response: httpx.Response) -> dict[str, Any] | None:
    """Return an answer's object; an empty answer is an empty object, and a page is none."""
    if response.is_success and not response.content:
        return {}
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
