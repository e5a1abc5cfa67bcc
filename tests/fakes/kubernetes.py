"""A Kubernetes API server in this process, on loopback: objects, and no controller that does anything with them."""

import contextlib
import json
import ssl
import threading
from urllib.parse import parse_qsl

from headscale_sidecar.kubernetes import ApiServer
from tests.fakes.http_server import serving
from tests.fakes.kubernetes_objects import APPLY, MERGE, Objects, Refused, status

VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}


class FakeKubernetes:
    """An API server; a test looks at its objects, and has it refuse what it likes.

    Attributes:
        objects: The objects by path. What a test puts there itself may be as incomplete as it likes.
        asked: Method and path of each request, in order.
        refuse: Takes method and path, and returns the `(status, message)` to answer, None to answer as usual: 401 and
            403, 404 and 409 without a reason to be seen, 429 and 500.
        kubeconfig: The text of a kubeconfig that leads here.
    """

    def __init__(self):
        self._objects = Objects()
        self.objects = self._objects.by_path
        self.asked, self.refuse = [], lambda _method, _path: None
        self.lock = threading.Lock()
        self.kubeconfig = ""

    @contextlib.contextmanager
    def serving(self):
        """Answer on loopback, without TLS."""
        with serving(self._answer) as port:
            self.kubeconfig = kubeconfig(port)
            yield self

    @contextlib.contextmanager
    def serving_a_pod(self, account):
        """Answer on loopback as a pod sees it: with TLS, to the token of its account.

        Args:
            account: A folder with `tls.crt`, `tls.key`, `ca.crt` and `token`.
        """
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(account / "tls.crt", account / "tls.key")
        with serving(self._answer, tls) as port:
            yield ApiServer("127.0.0.1", port, account)

    def put(self, path, annotations=None, labels=None):
        """Put an object there, or another version of it, as somebody else does."""
        return self._objects.put(path, {"metadata": {"annotations": annotations or {}, "labels": labels or {}}})

    def create(self, path, document):
        """Create an object in a collection, as somebody else does."""
        return self._objects.create(path, document)

    def count(self, method, path):
        """Return how often something was asked."""
        return self.asked.count((method, path))

    def _answer(self, request):
        path = request.url.path.rstrip("/")
        query = dict(parse_qsl(request.url.query))
        body = json.loads(request.body) if request.body else None
        with self.lock:
            self.asked.append((request.method, path))
            try:
                if refused := self.refuse(request.method, path):
                    raise Refused(*refused)
                code, answer = self._done(request, path, query, body)
            except Refused as refused:
                code, answer = refused.status, status(refused.status, refused.message)
            return code, json.dumps(answer)

    def _done(self, request, path, query, body):
        if path == "/version":
            return 200, VERSION
        kind = request.headers.get("Content-Type")
        if request.method == "PATCH" and kind == APPLY:
            applied, is_new = self._objects.apply(path, body, query)
            return (201 if is_new else 200), applied
        if request.method == "PATCH" and kind == MERGE:
            return 200, self._objects.merge(path, body, query)
        if request.method == "POST":
            return 201, self._objects.create(path, body)
        if request.method == "DELETE":
            return 200, self._objects.delete(path, body)
        if request.method == "GET":
            return 200, self._objects.get(path, query)
        raise Refused(415 if request.method == "PATCH" else 405, "the server does not do this here")


def kubeconfig(port, user=None):
    """Return the text of a kubeconfig that leads to a port on loopback."""
    return json.dumps(
        {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": user or {"token": "t"}}],
        }
    )
