"""What a kubeconfig says, and what is made of one that says nothing."""

import os

import yaml

from dynamic_providers import kubeconfig

TWO = {
    "current-context": "a",
    "clusters": [
        {"name": "a", "cluster": {"server": "https://a:6443/"}},
        {"name": "b", "cluster": {"server": "https://b"}},
    ],
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "u"}}, {"name": "b", "context": {"cluster": "b"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


def test_server_is_that_of_context_or_cluster():
    assert kubeconfig.server(TWO) == "https://a:6443"
    assert kubeconfig.server(TWO, "b") == "https://b"
    assert kubeconfig.server(TWO, "a", "b") == "https://b"
    assert kubeconfig.server(TWO, "c") is None
    assert kubeconfig.server({}) is None


def test_context_is_led_to_another_cluster():
    changed = kubeconfig.with_cluster(TWO, None, "b")

    assert kubeconfig.server(changed) == "https://b"
    assert changed["contexts"][0]["context"]["user"] == "u"
    assert kubeconfig.server(TWO) == "https://a:6443"


def test_files_of_the_variable_are_merged_first_wins(tmp_path, monkeypatch):
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_text(yaml.safe_dump({"current-context": "b", "clusters": TWO["clusters"]}))
    second.write_text(yaml.safe_dump(TWO))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (first, tmp_path / "none", second))))

    assert kubeconfig.server(kubeconfig.load(None)) == "https://b"


def test_text_path_and_nonsense_are_read_without_error(tmp_path):
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(TWO))
    (tmp_path / "bad").write_text("a: [")

    assert kubeconfig.load(yaml.safe_dump(TWO)) == TWO
    assert kubeconfig.load(str(path)) == TWO
    assert kubeconfig.load(str(tmp_path / "bad")) == {}
    assert kubeconfig.load(str(tmp_path / "none")) == {}
    assert kubeconfig.load("\n- a list") == {}
