"""What a kubeconfig says, and what is made of one that says nothing."""

import json
import os

import pytest
import yaml

from dynamic_providers.errors import ClusterError, ClusterUnreachable
from dynamic_providers.kubernetes import kubeconfig

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


def test_access_holds_the_chosen_context_alone():
    """A current context that is not there matters to nobody who names another one."""
    text = json.dumps({**TWO, "current-context": "gone"})

    assert kubeconfig.access(text, "a").document == {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "u"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://a:6443/"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    assert kubeconfig.access(text, "b").server == "https://b"
    assert kubeconfig.access(text, "a", "b").server == "https://b"


def test_relative_files_start_at_the_kubeconfigs_folder(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    cluster = {"server": "https://a", "certificate-authority": "ca.crt"}
    user = {"tokenFile": "token", "exec": {"command": "./login"}}
    document = {**TWO, "clusters": [{"name": "a", "cluster": cluster}], "users": [{"name": "u", "user": user}]}
    (tmp_path / "config").write_text(yaml.safe_dump(document))

    found = kubeconfig.access(str(tmp_path / "config"), None)

    assert found.plugin == str(tmp_path / "login")
    assert found.document["clusters"][0]["cluster"]["certificate-authority"] == str(tmp_path / "ca.crt")
    assert found.document["users"][0]["user"]["token"] == "secret"


def test_pods_own_account_serves_without_a_kubeconfig(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(kubeconfig, "POD_ACCOUNT", tmp_path)
    with pytest.raises(ClusterUnreachable, match="there is no kubeconfig"):
        kubeconfig.access(None, None)
    (tmp_path / "token").write_text("t")

    assert kubeconfig.access(None, None).document is None
    with pytest.raises(ClusterUnreachable, match="there is no kubeconfig"):
        kubeconfig.access(None, "a")


WRONG = {
    "no YAML": ("a: [\n", None, ClusterError, "the given kubeconfig is not YAML, line 2"),
    "a list": ("\n- a\n", None, ClusterError, "is no kubeconfig: it holds no mapping"),
    "no such file": ("/none/config", None, ClusterUnreachable, "kubeconfig /none/config does not exist"),
    "no such context": (TWO, "c", ClusterUnreachable, "no context `c` in the given kubeconfig; it has `a`, `b`"),
    "no current context": ({**TWO, "current-context": ""}, None, ClusterUnreachable, "set `kubernetes:context` to one"),
    "no such cluster": ({**TWO, "clusters": []}, None, ClusterUnreachable, r"no cluster `a` .* it has none"),
    "no such user": ({**TWO, "users": []}, None, ClusterError, "no user `u`"),
    "no server": ({**TWO, "clusters": [{"name": "a"}]}, None, ClusterError, "cluster `a` .* has no `server`"),
}


@pytest.mark.parametrize(("given", "context", "kind", "words"), WRONG.values(), ids=WRONG)
def test_wrong_kubeconfig_is_refused_by_name(given, context, kind, words):
    text = given if isinstance(given, str) else json.dumps(given)

    with pytest.raises(kind, match=words) as caught:
        kubeconfig.access(text, context)

    assert type(caught.value) is kind


def test_certificates_and_keys_go_to_files(tmp_path):
    document = {
        "clusters": [{"name": "a", "cluster": {"server": "https://a", "certificate-authority-data": "Q0E="}}],
        "users": [{"name": "u", "user": {"client-key-data": "S0VZ"}}],
    }

    changed, files = kubeconfig.with_files(document, tmp_path)

    assert files == {tmp_path / "certificate-authority": b"CA", tmp_path / "client-key": b"KEY"}
    assert changed["users"][0]["user"] == {"client-key": str(tmp_path / "client-key")}
    assert "client-key-data" in document["users"][0]["user"]
