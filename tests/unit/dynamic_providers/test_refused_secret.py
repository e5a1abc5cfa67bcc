"""A Secret that a webhook refuses: what it repeats of the Secret is not shown."""

import base64

import pytest

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.secret_store import KubernetesSecretStore
from headscale_core.keys.secrets import StoredSecret

KEYS = {
    "0.28": "hskey-auth-0123456789ab-" + "c" * 64,
    "0.27, preauth key": "0123456789abcdef" * 3,
    "0.27, API key": "abcdefg.0123456789abcdef0123456789abcdef",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_refused_secret_is_not_repeated(api, key):
    in_base64 = base64.b64encode(key.encode()).decode()
    message = f'admission webhook "w" denied the request: {"x" * 390} data is {{"key": "{in_base64}"}}, that is {key}'
    api.refuse = lambda method, _: (400, message) if method == "PATCH" else None
    secrets = KubernetesSecretStore(Cluster(api.kubeconfig), "vpn", "n", "preauth-key")

    with pytest.raises(ClusterError, match=r"Secret n/s cannot be written: .* a webhook of this cluster") as caught:
        secrets.write("n", "s", StoredSecret({"key": key}, {}))

    assert caught.value.status == 400
    assert not any(text[:12] in str(caught.value) for text in (key, in_base64))
