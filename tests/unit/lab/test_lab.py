"""The lab's own pieces that can be looked at without a lab."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import packages, processes, progress, pulumi, stack, tools
from lab.__main__ import main


@pytest.fixture
def _own_pids(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PIDS", tmp_path / "pids")
    monkeypatch.setattr(processes, "LOGS", tmp_path / "logs")


@pytest.mark.usefixtures("_own_pids")
def test_own_process_is_started_once_and_ended():
    processes.start("sleeper", ["sleep", "60"])
    before = (processes.PIDS / "sleeper").read_text()
    processes.start("sleeper", ["sleep", "60"])

    assert (processes.PIDS / "sleeper").read_text() == before
    processes.stop("sleeper")
    assert not processes.running("sleeper")


@pytest.mark.usefixtures("_own_pids")
def test_reused_pid_is_left_alone():
    processes.PIDS.mkdir()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (processes.PIDS / "stranger").write_text(f"{stranger.pid} 1\n")

        processes.stop("stranger")

        with pytest.raises(subprocess.TimeoutExpired):
            stranger.wait(0.3)
    finally:
        stranger.kill()
        stranger.wait()
    assert not (processes.PIDS / "stranger").exists()


def test_timed_out_wait_names_condition_and_log():
    with pytest.raises(progress.LabError, match="waited 0 s for the moon") as caught:
        progress.wait_for("the moon", lambda: False, seconds=0, on_failure=lambda: "see the log")

    assert caught.value.hint == "see the log"


def test_tool_fingerprint_changes_with_its_version():
    one = tools.Tool("pulumi", "v1", ("a/b/c",), ("x.Version",))
    other = tools.Tool("pulumi", "v2", ("a/b/c",), ("x.Version",))

    assert tools._fingerprint(one) != tools._fingerprint(other)
    assert one.programs == ("c",)


def test_unknown_tool_is_error_with_hint(capsys):
    assert main(["tool", "hammer"]) == 1

    messages = capsys.readouterr()
    assert messages.out == ""
    assert messages.err.startswith("error: `hammer` is not a tool of the lab\nhint: known are ")


@pytest.mark.parametrize("verb", ["up", "down"])
@pytest.mark.parametrize(
    ("seconds", "messages"), [(31, "31 s"), (1032, "17 min 12 s"), (60, "1 min 0 s")], ids=["half", "many", "one"]
)
def test_verb_ends_with_its_duration(monkeypatch, capsys, verb, seconds, messages):
    monkeypatch.setenv("LAB_STARTED_AT", "1000")
    monkeypatch.setattr(stack, verb, lambda: monkeypatch.setattr(time, "time", lambda: 1000.4 + seconds))

    assert main([verb]) == 0

    assert capsys.readouterr().err == f"make {verb}: {messages}\n"


def test_help_names_every_target():
    repository = Path(__file__).parents[3]
    makefile = (repository / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    defined = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))

    run = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, cwd=repository)

    named = re.findall(r"^  make (\S+) +\S", run.stdout, re.MULTILINE)
    assert sorted(named) == sorted(phony.split()) == sorted(defined)


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


def _installed(folder, *programs):
    """Put programs that do nothing on a PATH of their own."""
    folder.mkdir(exist_ok=True)
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return a PATH that holds nothing yet."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    return _installed(tmp_path / "bin")


def test_without_root_message_names_an_alternative(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(progress.LabError, match="needs root") as caught:
        packages.install()
    assert "use sudo" in caught.value.hint
    assert "KUBECONFIG" in caught.value.hint


def test_on_other_systems_message_names_an_alternative(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(progress.LabError, match="needs Linux") as caught:
        packages.install()
    assert "KUBECONFIG" in caught.value.hint


def test_without_debian_the_message_names_the_missing_packages(monkeypatch, path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    _installed(path, "containerd", "iptables")

    with pytest.raises(progress.LabError, match="not installed: runc, etcd-server") as caught:
        packages.install()
    assert "KUBECONFIG" in caught.value.hint


@pytest.mark.usefixtures("path")
def test_without_go_the_message_names_the_official_tools(monkeypatch, tmp_path):
    monkeypatch.setattr(tools, "CACHE", tmp_path / "cache")

    with pytest.raises(progress.LabError, match="no Go compiler") as caught:
        tools.path("kubectl")
    assert "official pulumi, kubectl and tailscale on PATH" in caught.value.hint
    assert list((tmp_path / "cache" / "tools").iterdir()) == [tmp_path / "cache" / "tools" / "kubernetes.lock"]


def test_an_installed_client_is_used_and_not_built(path):
    _installed(path, "kubectl", "tailscaled")

    assert tools.path("kubectl") == path / "kubectl"
    assert tools.path("tailscaled") == path / "tailscaled"


def test_official_parts_are_used_if_all_are_installed(path):
    _installed(path, "pulumi", "pulumi-language-python", "pulumi-resource-kubernetes")

    assert pulumi.is_official()
    assert pulumi.describe() == f"pulumi: the official parts ({path / 'pulumi'})"


def test_official_provider_is_found_in_plugins_folder(path, tmp_path):
    _installed(path, "pulumi", "pulumi-language-python")
    assert not pulumi.is_official()
    (tmp_path / "home" / "plugins" / "resource-kubernetes-v4.33.0").mkdir(parents=True)

    assert pulumi.is_official()


@pytest.mark.parametrize("missing", ["pulumi", "pulumi-language-python", "pulumi-resource-kubernetes"])
def test_built_parts_replace_missing_official_ones(path, missing):
    _installed(path, *({"pulumi", "pulumi-language-python", "pulumi-resource-kubernetes"} - {missing}))

    assert not pulumi.is_official()
    assert pulumi.describe().endswith("built here; a language host of the lab's own")
    assert tools.KUBERNETES_PROVIDER.version in pulumi.describe()
