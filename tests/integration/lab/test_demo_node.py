"""The demo node uses the relay that is built into a Headscale which serves plain HTTP on loopback.

That is what it meets on a person's own cluster, where a forwarded port is all that leads to Headscale.
"""

import pytest

from lab import demo_node, processes
from lab.progress import wait_for
from tests.integration.conftest import running


@pytest.fixture
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PIDS", tmp_path / "pids")
    monkeypatch.setattr(processes, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(demo_node, "_FOLDER", tmp_path / "node")
    yield
    demo_node.stop()


@pytest.mark.usefixtures("_own_state")
def test_demo_node_reaches_embedded_relay_on_loopback(tmp_path):
    (tmp_path / "headscale").mkdir()
    with running("0.28", tmp_path / "headscale") as headscale:
        headscale.cli("users", "create", "alice")
        key = headscale.cli("preauthkeys", "create", "--user", "1")["key"]

        demo_node.join(headscale.url, key)

        log = processes.LOGS / f"{demo_node.NAME}.log"
        wait_for(
            "the relay",
            lambda: "derp-999 connected" in log.read_text(),
            seconds=30,
            on_failure=lambda: log.read_text()[-3000:],
        )
        assert demo_node.node().status()["BackendState"] == "Running"
        assert not [problem for problem in demo_node.node().status()["Health"] or [] if "relay" in problem]
