"""A person's KUBECONFIG: which context it chooses, and which fault it has."""

import os

import pytest
import yaml

from lab import kubeconfig, state
from lab.progress import LabError

from .conftest import calls, program


@pytest.fixture
def write(tmp_path):
    """Write a kubeconfig with contexts and, perhaps, one that is chosen."""

    def make(name, *contexts, current=None):
        path = tmp_path / name
        document = {"contexts": [{"name": context} for context in contexts]}
        path.write_text(yaml.safe_dump(document | ({"current-context": current} if current else {})))
        return path

    return make


def test_first_current_context_of_several_files_wins(write, tmp_path):
    files = [write("a", "one"), write("b", "two", current="one"), write("c", "three", current="three")]

    assert kubeconfig.current_context([tmp_path / "not there", *files]) == "one"


def test_missing_files_are_named(tmp_path):
    with pytest.raises(LabError, match=f"KUBECONFIG={tmp_path}/a:{tmp_path}/b: there is no such file"):
        kubeconfig.current_context([tmp_path / "a", tmp_path / "b"])


def test_unset_current_context_names_the_contexts(write):
    with pytest.raises(LabError, match="has no current-context") as caught:
        kubeconfig.current_context([write("a", "one"), write("b", "two", "one")])

    assert caught.value.hint == "run `kubectl config use-context NAME`; it has `one`, `two`"


def test_unknown_current_context_is_named(write):
    with pytest.raises(LabError, match="the current-context `gone` is not among its contexts") as caught:
        kubeconfig.current_context([write("a", current="gone")])

    assert caught.value.hint.endswith("it has none")


@pytest.mark.parametrize("text", ["[]", "{", "contexts: 1", "\x00"])
def test_file_that_is_no_kubeconfig_is_named(tmp_path, text):
    (tmp_path / "a").write_text(text)

    with pytest.raises(LabError, match=f"{tmp_path}/a is not a kubeconfig"):
        kubeconfig.current_context([tmp_path / "a"])


@pytest.mark.parametrize(
    ("stdout", "stderr", "fault"),
    [
        ("yes\n", "Warning: resource 'namespaces' is not namespace scoped\n", ""),
        ("no\n", "", "its user may not create namespaces"),
        ("no - no RBAC policy matched\n", "", "its user may not create namespaces"),
        ("", "error: You must be logged in to the server (Unauthorized)", "the cluster refuses its user's credentials"),
        ("Please enter Username: ", "error: EOF", "its user has no credentials"),
        (
            "",
            "The connection to the server 127.0.0.1:9 was refused - did you specify the right host or port?",
            "the cluster does not answer: The connection to the server 127.0.0.1:9 was refused - did you specify the "
            "right host or port?",
        ),
        ("", "", "the cluster does not answer: kubectl printed nothing"),
    ],
)
def test_access_fault_says_which_it_is(stdout, stderr, fault):
    assert kubeconfig.access_fault(stdout, stderr) == fault


def test_list_of_paths_reaches_kubectl_as_variable(write, fake_path, monkeypatch):
    listed = f"{write('a', 'one')}:{write('b', current='one')}"
    monkeypatch.setenv("KUBECONFIG", listed)
    program(fake_path, "kubectl", f'[ "$KUBECONFIG" = "{listed}" ] && echo yes')

    assert kubeconfig.check_access() == "one"
    assert calls(fake_path, "kubectl") == ["auth can-i create namespaces --request-timeout=15s"]
    assert [path.name for path in state.kubeconfig_files()] == ["a", "b"]
    assert state.own_cluster()


def test_context_without_access_is_one_line(write, fake_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", os.fspath(write("a", "one", current="one")))
    program(fake_path, "kubectl", "echo no")

    with pytest.raises(LabError) as caught:
        kubeconfig.check_access()

    assert str(caught.value) == (
        f"context `one` of KUBECONFIG={os.environ['KUBECONFIG']}: its user may not create namespaces"
    )


@pytest.fixture
def _person_who_does_not_type():
    """A stdin that stays open and says nothing."""
    kept, (read, write_) = os.dup(0), os.pipe()
    os.dup2(read, 0)
    yield
    os.dup2(kept, 0)
    for descriptor in (kept, read, write_):
        os.close(descriptor)


@pytest.mark.usefixtures("_person_who_does_not_type")
def test_user_without_credentials_is_not_waited_for(write, fake_path, monkeypatch):
    """kubectl asks for a name on stdin, where a person or nobody would answer."""
    monkeypatch.setenv("KUBECONFIG", os.fspath(write("a", "one", current="one")))
    asks = "/usr/bin/timeout 2 /usr/bin/head -c1 || { echo 'waited for an answer' >&2; exit 1; }"
    program(fake_path, "kubectl", f"{asks}\necho 'Please enter Username: '; echo 'error: EOF' >&2; exit 1")

    with pytest.raises(LabError, match="its user has no credentials"):
        kubeconfig.check_access()


@pytest.mark.parametrize(("value", "is_own"), [(None, False), ("", False), (str(state.KUBECONFIG), False), ("x", True)])
def test_lab_kubeconfig_is_no_own_cluster(monkeypatch, value, is_own):
    if value is None:
        monkeypatch.delenv("KUBECONFIG", raising=False)
    else:
        monkeypatch.setenv("KUBECONFIG", value)

    assert state.own_cluster() is is_own
