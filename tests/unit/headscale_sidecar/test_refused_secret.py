"""A Secret that a webhook refuses: what it repeats of the Secret is in no log line and in no Event."""

import base64

import pytest

from headscale_core.keys.secrets import StoredSecret
from headscale_sidecar.controller import error_text
from headscale_sidecar.kubernetes import KubernetesError, ManagedSecret
from tests.fakes.kubernetes_fixtures import *  # noqa: F403 - the API server

STATEFUL_SET = "/apis/apps/v1/namespaces/headscale/statefulsets/vpn"
KEYS = {"0.28": "hskey-api-0123456789ab-" + "c" * 64, "0.27": "abcdefg.0123456789abcdef0123456789abcdef"}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_refused_secret_is_not_repeated(kubernetes, key):
    in_base64 = base64.b64encode(key.encode()).decode()
    message = f'admission webhook "w" denied the request: data is {{"api-key": "{in_base64}"}}, that is {key}'
    kubernetes.server.objects[STATEFUL_SET] = {"metadata": {"uid": "u"}}
    kubernetes.server.refuse = lambda _, path: (400, message) if "/secrets/" in path else None

    with pytest.raises(KubernetesError, match="cannot be written: admission webhook") as caught:
        ManagedSecret(kubernetes.pod, "vpn").write("headscale", "key", StoredSecret({"api-key": key}, {}))

    assert not any(text[:12] in error_text(caught.value) for text in (key, in_base64))
