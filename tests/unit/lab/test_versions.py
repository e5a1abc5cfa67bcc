"""The versions in use, as `make up` and the end-to-end tests print them."""

from importlib import metadata

import pytest

from lab import pulumi, tools, versions

from .conftest import calls, program


@pytest.fixture
def built(fake_path, monkeypatch):
    """Parts that are built here, with an engine and a cluster that answer."""
    monkeypatch.setattr(pulumi, "is_official", lambda: False)
    monkeypatch.setattr(tools, "path", lambda name: fake_path / name)
    program(fake_path, "pulumi", "echo v3.274.1")
    program(fake_path, "kubectl", """echo '{"major": "1", "gitVersion": "v1.36.3"}'""")
    return fake_path


def test_lines_name_engine_provider_sdks_and_cluster(built):
    assert versions.lines() == [
        "engine: pulumi v3.274.1 (built here)",
        f"provider: kubernetes {tools.KUBERNETES_PROVIDER.version} (built here)",
        f"SDKs: pulumi {metadata.version('pulumi')}, pulumi-kubernetes {metadata.version('pulumi_kubernetes')}",
        "cluster: Kubernetes v1.36.3",
    ]
    assert calls(built, "pulumi") == ["version"]


def test_missing_cluster_is_reported_not_raised(built):
    program(built, "kubectl", "echo refused >&2; exit 1")

    assert versions.lines()[-1] == "cluster: Kubernetes unknown: it does not answer"


def test_official_provider_is_the_newest_plugin(built, tmp_path, monkeypatch):
    monkeypatch.setattr(pulumi, "is_official", lambda: True)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    for name in ("resource-kubernetes-v4.9.1", "resource-kubernetes-v4.33.0", "resource-kubernetes-v4.33.0.lock"):
        (tmp_path / "plugins" / name).mkdir(parents=True)

    assert versions.lines()[1] == "provider: kubernetes 4.33.0 (official, installed)"


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        ([], "unknown"),
        (["resource-kubernetes-v4.9.1", "resource-kubernetes-v4.24.0"], "4.24.0"),
        (["resource-kubernetes-v5.0.0-alpha.1", "resource-kubernetes-v4.33.0"], "5.0.0-alpha.1"),
        (["resource-kubernetes-v5.0.0-alpha.1", "resource-kubernetes-v5.0.0"], "5.0.0"),
    ],
)
def test_newest_plugin_is_by_number(names, newest):
    assert versions.newest_plugin(names) == newest
