"""The folder for a kubeconfig's keys: its name is seen by everybody on the machine, and used again."""

import base64
import tempfile
from pathlib import Path

import pytest

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes.credential_files import CredentialFiles

DOCUMENT = {"users": [{"name": "u", "user": {"client-key-data": base64.b64encode(b"hidden").decode()}}]}


@pytest.fixture
def used(tmp_path, monkeypatch):
    """Files that were written and deleted once, and their folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = CredentialFiles()
    with files.written(DOCUMENT) as document:
        folder = Path(document["users"][0]["user"]["client-key"]).parent
        assert (folder.stat().st_mode & 0o777, (folder / "client-key").read_bytes()) == (0o700, b"hidden")
    return files, folder


def test_folder_is_deleted_and_used_again(used):
    files, folder = used
    assert not folder.exists()

    with files.written(DOCUMENT):
        assert (folder / "client-key").read_bytes() == b"hidden"
    assert not folder.exists()


@pytest.mark.parametrize("is_link", [False, True])
def test_folder_of_somebody_else_gets_no_key(used, tmp_path, is_link):
    files, folder = used
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "client-key").touch()
    if is_link:
        folder.symlink_to(theirs)
    else:
        theirs.rename(folder)

    with pytest.raises(ClusterError, match="was created by another user"), files.written(DOCUMENT):
        pass
    assert (folder / "client-key").read_bytes() == b""
