"""Certificates and keys of a kubeconfig in files, only while they are loaded.

kr8s writes those of a kubeconfig to files of its own otherwise, and leaves them.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes import kubeconfig as kubeconfigs


class CredentialFiles:
    """A folder for them, whose name stays the same: kr8s reads the files again when it renews credentials."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    @contextlib.contextmanager
    def written(self, document: kubeconfigs.Document | None) -> Iterator[kubeconfigs.Document | None]:
        """Have them in files, which only their owner may read, and delete those afterwards.

        Args:
            document: The kubeconfig; None where there is none.

        Yields:
            The kubeconfig that names the files.

        Raises:
            ClusterError: When another user has created the folder since it was deleted, who could read the files.
        """
        if document is None:
            yield None
            return
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="headscale-"))
        else:
            try:
                self._folder.mkdir(mode=0o700)
            except FileExistsError:
                raise ClusterError(
                    f"{self._folder}, where the kubeconfig's keys are written while they load, was created by another "
                    "user; set TMPDIR to a folder of your own"
                ) from None
        try:
            named, files = kubeconfigs.with_files(document, self._folder)
            for path, content in files.items():
                path.touch(mode=0o600)
                path.write_bytes(content)
            yield named
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
