"""Credentials that expire during an update, and are renewed by a plugin that does not answer."""

import json
import time

import pytest

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes.cluster import Cluster


def with_plugin(api, command):
    document = json.loads(api.kubeconfig)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", command]}
    document["users"][0]["user"] = {"exec": plugin}
    return json.dumps(document)


def test_hanging_renewal_ends_within_log_in_time(api, tmp_path):
    """Such as one that opens a browser and waits for somebody to log in."""
    ran, token = tmp_path / "ran", json.dumps({"status": {"token": "t"}})
    cluster = Cluster(with_plugin(api, f"[ -e {ran} ] && exec sleep 20; touch {ran}; echo '{token}'"), log_in_seconds=1)
    cluster.request("GET", "/api")
    api.refuse = lambda *_: (401, "Unauthorized")
    begun = time.monotonic()

    with pytest.raises(ClusterError, match=r"command `sh`.* gives no credentials .*no answer in time"):
        cluster.request("GET", "/api")

    assert time.monotonic() - begun < 10


def test_request_after_failed_renewal_is_sent(api, tmp_path):
    ran, token = tmp_path / "ran", json.dumps({"status": {"token": "t"}})
    command = f"[ -e {ran} ] && rm {ran} && exec sleep 20; touch {ran}; echo '{token}'"
    cluster = Cluster(with_plugin(api, command), log_in_seconds=1)
    cluster.request("GET", "/api")
    api.refuse = lambda *_: (401, "Unauthorized")
    with pytest.raises(ClusterError):
        cluster.request("GET", "/api")
    api.refuse = lambda *_: None

    assert cluster.request("GET", "/api").status == 404
