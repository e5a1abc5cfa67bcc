"""Credentials of a kubeconfig that cannot be sent: the error names the kubeconfig and shows none of them."""

import json

import pytest

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes.cluster import Cluster


def plugin(token):
    output = json.dumps({"status": {"token": token}})
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "echo", "args": [output]}}


def shown_error(api, user, proxy=None):
    document = json.loads(api.kubeconfig)
    document["users"][0]["user"] = user
    if proxy:
        document["clusters"][0]["cluster"]["proxy-url"] = proxy
    with pytest.raises(ClusterError) as caught:
        Cluster(json.dumps(document), log_in_seconds=1).request("GET", "/api")
    return str(caught.value)


@pytest.mark.parametrize("token", ["hidden\n", "hidden 2\n", "it's hidden\n"])
@pytest.mark.parametrize("user", [plugin, lambda token: {"token": token}], ids=["plugin", "kubeconfig"])
def test_token_with_line_break_is_not_shown(api, user, token):
    """As `token: |` in YAML has one; httpx repeats the header that it cannot send."""
    text = shown_error(api, user(token))

    assert "Illegal header value" in text
    assert "hidden" not in text
    assert "context `test`" in text


PROXIES = ["me:hidden@proxy:3128", "http://me:hidden@127.0.0.1:1", "ftp://me:hidden@proxy", "http://me:hidden@proxy:x"]


@pytest.mark.parametrize("proxy", PROXIES)
def test_password_of_proxy_is_not_shown(api, proxy):
    text = shown_error(api, {"token": "t"}, proxy)

    assert "hidden" not in text
    assert "context `test`" in text
