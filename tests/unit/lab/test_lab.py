"""The lab's own pieces that can be looked at without a lab."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import processes, progress, tools
from lab.__main__ import main
from lab.standins.launchers import PLUGINS, write_launchers


@pytest.fixture
def _own_pids(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PIDS", tmp_path / "pids")
    monkeypatch.setattr(processes, "LOGS", tmp_path / "logs")


@pytest.mark.usefixtures("_own_pids")
def test_a_process_is_started_once_and_ended_when_it_is_ours():
    processes.start("sleeper", ["sleep", "60"])
    before = (processes.PIDS / "sleeper").read_text()
    processes.start("sleeper", ["sleep", "60"])

    assert (processes.PIDS / "sleeper").read_text() == before
    processes.stop("sleeper")
    assert not processes.running("sleeper")


@pytest.mark.usefixtures("_own_pids")
def test_a_number_that_the_kernel_gave_to_somebody_else_is_left_alone():
    processes.PIDS.mkdir()
    (processes.PIDS / "stranger").write_text(f"{os.getpid()} 1\n")

    processes.stop("stranger")

    assert os.getpid() > 0
    assert not (processes.PIDS / "stranger").exists()


def test_a_wait_that_is_in_vain_says_for_what_and_where_to_look():
    with pytest.raises(progress.LabError, match="waited 0 s for the moon") as caught:
        progress.wait_for("the moon", lambda: False, seconds=0, on_failure=lambda: "see the log")

    assert caught.value.hint == "see the log"


def test_a_tool_is_named_by_all_that_decides_what_is_built():
    one = tools.Tool("pulumi", "v1", ("a/b/c",), ("x.Version",))
    other = tools.Tool("pulumi", "v2", ("a/b/c",), ("x.Version",))

    assert tools._fingerprint(one) != tools._fingerprint(other)
    assert one.programs == ("c",)


def test_an_unknown_tool_is_an_error_with_a_hint(capsys):
    assert main(["tool", "hammer"]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: `hammer` is no tool of the lab\nhint: known are ")


def test_the_launchers_put_nothing_into_the_environment(tmp_path):
    """A person's program must not import this checkout by accident."""
    engine = tmp_path / "engine"
    engine.write_text("")
    write_launchers(tmp_path / "bin", python=Path(sys.executable), repository=Path("/repo"), pulumi=engine)

    for name in PLUGINS:
        assert "PYTHONPATH" not in (tmp_path / "bin" / name).read_text()
    assert (tmp_path / "bin" / "pulumi").samefile(engine)


def test_help_names_every_target():
    run = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])

    for target in (
        "up",
        "down",
        "test",
        "lint",
        "join",
        "status",
        "bench",
        "kubeconfig",
        "shell-env",
        "images",
        "venv",
    ):
        assert f"make {target} " in run.stdout


def test_started_at_tells_a_process_from_its_successor():
    first = subprocess.Popen(["sleep", "5"])
    time.sleep(0.05)
    second = subprocess.Popen(["sleep", "5"])
    try:
        assert processes.started_at(first.pid) != processes.started_at(second.pid)
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    assert processes.started_at(first.pid) is None
