"""Every failure of the sidecar's calls becomes an error of its own, by literal tables."""

import http.client
import json
import ssl

import pytest

from headscale_sidecar import errors as tree
from headscale_sidecar import headscale, kubernetes, settings
from headscale_sidecar.errors import SidecarError
from headscale_sidecar.headscale import HeadscaleUnavailable, RotationError
from headscale_sidecar.kubernetes import ApiServer, KubernetesError
from headscale_sidecar.settings import SettingsError

RAISED = {
    "refused": ConnectionRefusedError("refused"),
    "timeout": TimeoutError("slow"),
    "no HTTP": http.client.BadStatusLine("SSH-2.0"),
    "closed": http.client.RemoteDisconnected("closed"),
    "TLS": ssl.SSLError("wrong version"),
}


def test_tree_holds_every_error():
    drawn = {line.strip(" │├└─").split()[0] for line in tree.__doc__.splitlines() if line.startswith("    ")}
    modules = (tree, headscale, kubernetes, settings)
    defined = {name for module in modules for name, kind in vars(module).items() if is_error_of(module, kind)}

    assert defined == drawn


def is_error_of(module, kind):
    return isinstance(kind, type) and issubclass(kind, BaseException) and kind.__module__ == module.__name__


@pytest.mark.parametrize("kind", [HeadscaleUnavailable, RotationError, KubernetesError, SettingsError])
def test_error_has_the_one_base(kind):
    assert issubclass(kind, SidecarError)


@pytest.mark.parametrize("error", RAISED.values(), ids=RAISED)
def test_unanswered_question_becomes_headscale_unavailable(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(http.client.HTTPConnection, "connect", fail)

    with pytest.raises(HeadscaleUnavailable, match="does not answer at http://127"):
        headscale.is_api_key_valid("http://127.0.0.1:1", "key")


def test_metric_keeps_the_name_of_headscale_unavailable():
    """Alert rules and Events name it."""
    assert HeadscaleUnavailable("away").kind == "HeadscaleError"


@pytest.mark.parametrize("error", [*RAISED.values(), json.JSONDecodeError("no JSON", "", 0)], ids=[*RAISED, "no JSON"])
def test_unanswered_request_becomes_a_kubernetes_error(monkeypatch, tmp_path, error):
    def fail(*_, **__):
        raise error

    (tmp_path / "token").write_text("t")
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    monkeypatch.setattr(http.client.HTTPSConnection, "request", fail)

    with pytest.raises(KubernetesError, match="does not answer at"):
        ApiServer("h", 1, tmp_path).call("GET", "/api")


def test_missing_service_account_becomes_a_kubernetes_error(tmp_path):
    with pytest.raises(KubernetesError, match="service account"):
        ApiServer("h", 1, tmp_path).call("GET", "/api")
