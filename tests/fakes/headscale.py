"""A Headscale in this process: gRPC on a unix socket and on loopback, REST on loopback, as the real one has them.

It answers by the same method paths and messages, and behaves as its version does. Every transport is opened when its
address is first asked for, so that a test pays for those alone that it uses.
"""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qsl

import grpc
from google.protobuf import json_format

from headscale_core import HeadscaleClient, Unauthenticated, api_key_prefix
from tests.fakes.headscale_calls import HTTP_STATUS, REQUESTS, SERVICE, Code, function_name, routed
from tests.fakes.headscale_database import Database, Refused
from tests.fakes.http_server import serving

VERSION_SINCE = 27
_FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


class ClientWithOwnKey(HeadscaleClient):
    """A client that does not list the key that it came in with."""

    own = ""

    def list_api_keys(self):
        return [key for key in super().list_api_keys() if key.prefix != self.own]


class FakeHeadscale:
    """A Headscale of one version, with an empty database.

    Args:
        version: `0.26` to `0.29`.
        transport: `grpc` or `rest`: by what `client` and `remote` speak to it.

    Attributes:
        calls: The method of each call that was made, in order.
        refuse: Takes a method, and returns the `(grpc.StatusCode, detail)` to answer instead, None to answer as usual.
        loses_answer: Takes a method, and returns whether the connection breaks after the call was carried out.
        proxy: Takes a path of REST, and returns the `(status, text)` that something in front of Headscale answers.
    """

    def __init__(self, version, transport="grpc"):
        self.version, self.transport = version, transport
        self.minor = int(version.removeprefix("0."))
        self.database = Database(self.minor)
        self.calls, self.refuse, self.proxy = [], lambda _method: None, lambda _path: None
        self.loses_answer = lambda _method: False
        self._lock = threading.RLock()
        self._ends = contextlib.ExitStack()
        self._socket = self._grpc_port = self._http = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Close every transport; the database stays."""
        self._ends.close()
        self._socket = self._grpc_port = self._http = None

    def start(self):
        """Serve again: each transport when it is asked for."""

    def successor(self):
        """Return another Headscale of this version, whose database is new, as after the loss of the volume."""
        return FakeHeadscale(self.version, self.transport)

    @property
    def socket_path(self):
        """The unix socket, on which no key is asked for."""
        if self._socket is None:
            folder = self._ends.enter_context(TemporaryDirectory(prefix="fake-"))
            self._socket = str(Path(folder) / "h.sock")
            self._serve_grpc(f"unix:{self._socket}", asks_for_key=False)
        return self._socket

    @property
    def grpc_address(self):
        """Where gRPC is spoken on the network, with an API key."""
        if self._grpc_port is None:
            self._grpc_port = self._serve_grpc("127.0.0.1:0", asks_for_key=True)
        return f"127.0.0.1:{self._grpc_port}"

    @property
    def url(self):
        """Where REST is spoken, with an API key."""
        if self._http is None:
            self._http = self._ends.enter_context(serving(_Rest(self).answer))
        return f"http://127.0.0.1:{self._http}"

    def client(self, **options):
        """Return a client that may do everything: on the socket, or by REST with a key that it does not list."""
        if self.transport == "grpc":
            return HeadscaleClient.over_unix_socket(self.socket_path, **options)
        with HeadscaleClient.over_unix_socket(self.socket_path) as local:
            key = local.create_api_key(_FAR_AWAY)
        client = ClientWithOwnKey.over_http(self.url, api_key=key, **options)
        client.own = api_key_prefix(key)
        return client

    def remote(self, key, **options):
        """Return a client that comes over the network with a key."""
        if self.transport == "rest":
            return HeadscaleClient.over_http(self.url, api_key=key, **options)
        return HeadscaleClient.over_tcp(self.grpc_address, api_key=key, **options)

    def opens(self, key):
        """Return whether Headscale takes a key."""
        with self.remote(key) as remote:
            try:
                remote.list_users()
            except Unauthenticated:
                return False
        return True

    def add_oidc_user(self, name, email=""):
        """Have somebody log in through an identity provider."""
        self.database.add_user(name, email=email, provider="oidc", provider_id=f"https://id/{name}")

    def join(self, user, number, *, key_id=None):
        """Have a machine join as a user, by a preauth key where one is named."""
        self.database.add_node(user, f"node-{number}", self.database.keys.get(key_id))

    def call(self, method, request):
        """Answer a call."""
        with self._lock:
            self.calls.append(method)
            if refused := self.refuse(method):
                raise Refused(*refused)
            answer = getattr(self.database, function_name(method))(request)
            if self.loses_answer(method):
                raise Refused(Code.UNAVAILABLE, "error reading from server: connection reset by peer")
            return answer

    def has(self, method):
        """Return whether this version has a call."""
        return method in REQUESTS and REQUESTS[method][1] <= self.minor

    def require_api_key(self, header):
        """Refuse a call with a key that is not good."""
        with self._lock:
            self.database.require_api_key(header)

    def _serve_grpc(self, address, *, asks_for_key):
        threads = self._ends.enter_context(ThreadPoolExecutor(8))
        server = grpc.server(threads, handlers=[_GrpcHandler(self, asks_for_key=asks_for_key)])
        port = server.add_insecure_port(address)
        server.start()
        self._ends.callback(lambda: server.stop(None).wait(5))
        return port


class _GrpcHandler(grpc.GenericRpcHandler):
    def __init__(self, headscale, *, asks_for_key):
        self._headscale, self._asks_for_key = headscale, asks_for_key

    def service(self, details):
        method = details.method.removeprefix(SERVICE)
        headers = dict(details.invocation_metadata)

        def answer(request, context):
            try:
                if self._asks_for_key:
                    self._headscale.require_api_key(headers.get("authorization"))
                if not self._headscale.has(method):
                    raise Refused(Code.UNIMPLEMENTED, f"unknown method {method}")
                return self._headscale.call(method, REQUESTS[method][0].FromString(request))
            except Refused as refused:
                context.abort(refused.code, refused.detail)

        return grpc.unary_unary_rpc_method_handler(answer, None, lambda message: message.SerializeToString())


class _Rest:
    """Answers requests by REST."""

    def __init__(self, headscale):
        self._headscale = headscale

    def answer(self, request):
        path = request.url.path
        if answered := self._headscale.proxy(path):
            return answered
        if path == "/version" and self._headscale.minor >= VERSION_SINCE:
            return 200, json.dumps({"version": f"v{self._headscale.version}.0"})
        if not path.startswith("/api/v1/"):
            return 404, "404 page not found"
        try:
            self._headscale.require_api_key(request.headers.get("Authorization"))
        except Refused:
            # https://github.com/juanfont/headscale/blob/v0.26.1/hscontrol/app.go, `httpAuthenticationMiddleware`
            return (401 if self._headscale.minor > 26 else 500), "Unauthorized"
        method, fields = routed(request.method, path.removeprefix("/api/v1/"))
        return self._called(
            method, {**dict(parse_qsl(request.url.query)), **json.loads(request.body or "{}"), **fields}
        )

    def _called(self, method, fields):
        try:
            if method is None or not self._headscale.has(method):
                raise Refused(Code.NOT_FOUND, "Not Found")
            answer = self._headscale.call(method, json_format.ParseDict(fields, REQUESTS[method][0]()))
        except Refused as refused:
            error = {"code": refused.code.value[0], "message": refused.detail, "details": []}
            return HTTP_STATUS.get(refused.code, 500), json.dumps(error)
        return 200, json_format.MessageToJson(answer, always_print_fields_with_no_presence=True)
