"""What is reported of a cluster that does not do what is asked: which of many things it is, in one line."""

import json
import ssl
import sys
import time
from typing import Any, cast

import anyio
import httpx
import httpx_ws
import kr8s
import pytest
import urllib3

from dynamic_providers.errors import ClusterError, ClusterUnreachable
from dynamic_providers.kubernetes import kr8s_client
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.errors import explained
from dynamic_providers.kubernetes.kubeconfig import Access
from dynamic_providers.kubernetes.secret_store import KubernetesSecretStore
from headscale_core.keys.secrets import StoredSecret

NOBODY = json.dumps(
    {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
)
SECRET = "/api/v1/namespaces/n/secrets/s"


def store(api):
    return KubernetesSecretStore(Cluster(api.kubeconfig), "vpn", "n", "preauth-key")


def refusing(api, status, message, *, part=""):
    api.refuse = lambda _, path: (status, message) if part in path else None


def test_nobody_listening_is_called_unreachable():
    with pytest.raises(ClusterUnreachable, match=r"unreachable at https://127\.0\.0\.1:1 .* look at context `a`"):
        Cluster(NOBODY).request("GET", "/api")


def test_unreachable_cluster_is_asked_once_for_many(monkeypatch):
    """Hundreds of resources ask one after the other."""
    tries = []
    log_in = kr8s_client.log_in
    monkeypatch.setattr(kr8s_client, "log_in", lambda *given: tries.append(1) or log_in(*given))
    cluster = Cluster(NOBODY)

    for _ in range(400):
        with pytest.raises(ClusterUnreachable):
            cluster.request("GET", "/api")

    assert len(tries) == 3


def test_outage_of_a_moment_is_bridged(api, monkeypatch):
    log_in, outages = kr8s_client.log_in, [1, 2]

    async def broken(*given):
        if outages:
            outages.pop()
            raise TimeoutError
        return await log_in(*given)

    monkeypatch.setattr(kr8s_client, "log_in", broken)

    assert Cluster(api.kubeconfig).request("GET", SECRET).status == 404


def test_bug_of_ours_keeps_its_own_name(api):
    cluster = Cluster(api.kubeconfig)

    async def bug():
        return dict[str, str]()["missing"]

    with pytest.raises(KeyError, match="missing"):
        cluster._on_loop(bug())


@pytest.mark.parametrize("part", ["", "secrets"], ids=["at the log-in", "later"])
def test_refused_token_is_called_refused_credentials(api, part):
    refusing(api, 401, "Unauthorized", part=part)

    with pytest.raises(
        ClusterError, match=r"refuses the credentials of context `test`.*wrong or have expired"
    ) as caught:
        store(api).read("n", "s")

    assert caught.value.status == 401
    assert not isinstance(caught.value, ClusterUnreachable)


def test_expired_token_is_renewed_and_the_request_repeated(api, tmp_path):
    """A plugin's token lasts a quarter of an hour; an update may take longer."""
    count = tmp_path / "count"
    command = f"echo x >> {count}; echo '{json.dumps({'status': {'token': 't'}})}'"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", command]}
    document = json.loads(api.kubeconfig)
    document["users"][0]["user"] = {"exec": plugin}
    cluster = Cluster(json.dumps(document))
    api.put(SECRET)
    cluster.request("GET", SECRET)
    refusals = [1, 2]
    api.refuse = lambda *_: (401, "Unauthorized") if refusals and refusals.pop() else None

    assert cluster.request("GET", SECRET).ok
    assert len(count.read_text().split()) == 2


def test_failing_credential_plugin_is_named(api):
    document = json.loads(api.kubeconfig)
    script = "import sys; sys.exit('session\\n expired')"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", script]}
    document["users"][0]["user"] = {"exec": plugin}

    with pytest.raises(ClusterError, match=rf"command `{sys.executable}`.* no credentials .*session expired") as caught:
        Cluster(json.dumps(document)).request("GET", "/api")

    assert not isinstance(caught.value, ClusterUnreachable)


def test_hanging_credential_plugin_is_named_within_the_deadline(api):
    document = json.loads(api.kubeconfig)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["30"]}
    document["users"][0]["user"] = {"exec": plugin}
    begun = time.monotonic()

    with pytest.raises(ClusterError, match=r"command `sleep`.* gives no credentials .*no answer in time"):
        Cluster(json.dumps(document), log_in_seconds=1).request("GET", "/api")

    assert time.monotonic() - begun < 5


FORBIDDEN = 'secrets "s" is forbidden: User "eve" cannot patch resource "secrets" in API group "" in the namespace "n"'
REFUSALS = {
    "no right": (403, FORBIDDEN, "`kubectl auth can-i --list`"),
    "quota": (403, 'secrets "s" is forbidden: exceeded quota: q, used: count=1', "see `kubectl describe quota`"),
    "webhook": (400, 'admission webhook "w.example" denied the request: no', "a webhook of this cluster refuses it"),
    "another": (500, "etcdserver: no leader", ""),
}


@pytest.mark.parametrize(("status", "message", "advice"), REFUSALS.values(), ids=REFUSALS)
def test_refusal_is_passed_on_with_what_to_do(api, status, message, advice):
    refusing(api, status, message, part="secrets")

    with pytest.raises(ClusterError) as caught:
        store(api).write("n", "s", StoredSecret({}, {}))

    messages = str(caught.value)
    assert messages.startswith(f"Secret n/s cannot be written: {message}")
    assert advice in messages
    assert "\n" not in messages
    assert caught.value.status == status


def test_missing_right_to_forward_ports_is_named(api):
    message = 'pods "vpn-0" is forbidden: User "eve" cannot get resource "pods/portforward" in API group ""'
    refusing(api, 403, message, part="portforward")

    with (
        pytest.raises(ClusterError, match=r"no port of pod n/vpn-0 .*`kubectl auth can-i create pods --subresource"),
        Cluster(api.kubeconfig).port_forward("vpn-0", "n", 1),
    ):
        pass


LISTS = {
    "no right": (403, None),
    "too slow": (504, "request timed out"),
    "broken": (500, "no leader"),
}


@pytest.mark.parametrize(("status", "words"), LISTS.values(), ids=LISTS)
def test_only_a_missing_right_narrows_a_list(api, status, words):
    """Otherwise keys in other namespaces would silently not be found."""
    api.refuse = lambda _, path: (status, words or "forbidden") if path == "/api/v1/secrets" else None
    api.objects["/api/v1/namespaces/n/secrets"] = {"metadata": {}, "items": []}

    if words is None:
        assert store(api).list_in_all_namespaces() == []
    else:
        with pytest.raises(ClusterError, match=words):
            store(api).list_in_all_namespaces()


def ours(api, secrets):
    api.put(SECRET, {}, secrets._labels())


def test_read_secret_is_deleted_by_one_request(api):
    secrets = store(api)
    ours(api, secrets)
    secrets.read("n", "s")
    api.asked.clear()

    secrets.delete("n", "s")

    assert api.asked == [("DELETE", SECRET)]
    assert SECRET not in api.objects


def test_secret_of_another_owner_is_not_deleted(api):
    secrets = store(api)
    ours(api, secrets)
    secrets.read("n", "s")
    api.put(SECRET, {}, {"somebody": "else"})

    secrets.delete("n", "s")

    assert SECRET in api.objects


def response(status):
    return httpx.Response(status, request=httpx.Request("GET", "https://h"))


MAPPED = {
    "kr8s, 401": (kr8s.ServerError("no", response=response(401)), ClusterError, 401),
    "kr8s, 403": (kr8s.ServerError("no", response=response(403)), ClusterError, 403),
    "kr8s, no answer": (kr8s.ServerError("no"), ClusterError, None),
    "kr8s, not found": (kr8s.NotFoundError("no pod"), ClusterError, 404),
    "kr8s, timeout": (kr8s.APITimeoutError("slow"), ClusterUnreachable, None),
    "kr8s, closed": (kr8s.ConnectionClosedError("closed"), ClusterError, None),
    "kr8s, exec": (kr8s.ExecError("failed"), ClusterError, None),
    "websocket, refused": (httpx_ws.WebSocketUpgradeError(response(403)), ClusterError, 403),
    "websocket, broken": (httpx_ws.HTTPXWSException("broken"), ClusterError, None),
    "anyio, broken": (anyio.BrokenResourceError(), ClusterError, None),
    "anyio, closed": (anyio.ClosedResourceError(), ClusterError, None),
    "anyio, end": (anyio.EndOfStream(), ClusterError, None),
    "httpx, refused": (httpx.ConnectError("refused"), ClusterUnreachable, None),
    "httpx, timeout": (httpx.ReadTimeout("slow"), ClusterUnreachable, None),
    "httpx, URL": (httpx.InvalidURL("no URL"), ClusterUnreachable, None),
    "urllib3, refused": (
        urllib3.exceptions.NewConnectionError(cast(Any, "h"), "refused"),
        ClusterUnreachable,
        None,
    ),
    "urllib3, certificate": (urllib3.exceptions.SSLError("wrong"), ClusterUnreachable, None),
    "urllib3, proxy": (urllib3.exceptions.ProxyError("proxy", OSError("refused")), ClusterUnreachable, None),
    "ssl": (ssl.SSLCertVerificationError("wrong"), ClusterUnreachable, None),
    "timeout": (TimeoutError(), ClusterUnreachable, None),
    "reset": (ConnectionResetError("reset"), ClusterUnreachable, None),
    "several": (ExceptionGroup("two", [KeyError("bug"), httpx.ConnectError("refused")]), ClusterUnreachable, None),
}
BUGS = {
    "key": KeyError("missing"),
    "value": ValueError("wrong"),
    "file": FileNotFoundError("gone"),
    "several": ExceptionGroup("two", [KeyError("a"), KeyError("b")]),
}


@pytest.mark.parametrize(("error", "kind", "status"), MAPPED.values(), ids=MAPPED)
def test_foreign_error_becomes_its_class(error, kind, status):
    meaning = explained(error, Access(None, "kubeconfig k"))

    assert (type(meaning), meaning.status) == (kind, status)


@pytest.mark.parametrize("error", BUGS.values(), ids=BUGS)
def test_bug_is_not_an_error_of_the_cluster(error):
    assert explained(error, Access(None, "kubeconfig k")) is None
