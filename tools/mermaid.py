"""Mermaid for the documentation site: the site serves it itself, so that a reader's browser asks no third party.

The theme takes a Mermaid that the page loads before its own, which is on a CDN:
https://squidfunk.github.io/mkdocs-material/reference/diagrams/#customization.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "11.17.2"
INTEGRITY = "V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg=="
"""The SHA-512 of the package, as `npm view mermaid@VERSION dist.integrity` prints it without `sha512-`."""

_SCRIPT = "package/dist/mermaid.min.js"


class MermaidError(Exception):
    """Mermaid cannot be fetched, or is another file than it was."""


def script(cache: Path = Path(sys.prefix)) -> str:
    """Return Mermaid as one file of JavaScript, by `npm pack` unless it is in the cache.

    Args:
        cache: The folder in which it is kept: by default the virtual environment that draws the docs.

    Raises:
        MermaidError: When npm is not installed, fails, or brings a package with another checksum.
    """
    kept = cache / f"mermaid-{VERSION}.min.js"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            text = _unpacked(_fetched(Path(folder)))
        kept.write_text(text)
    return kept.read_text()


def _fetched(folder: Path) -> Path:
    """Download the package: https://docs.npmjs.com/cli/commands/npm-pack."""
    command = ["npm", "pack", "--silent", f"mermaid@{VERSION}"]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MermaidError("npm is not installed, which fetches Mermaid for the diagrams; install Node.js") from None
    if run.returncode:
        raise MermaidError(f"`{' '.join(command)}` failed: {(run.stderr or run.stdout).strip()[-500:]}")
    return folder / f"mermaid-{VERSION}.tgz"


def _unpacked(package: Path) -> str:
    found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise MermaidError(f"{package.name} has the checksum {found}, and not {INTEGRITY}")
    with tarfile.open(package) as archive:
        content = archive.extractfile(_SCRIPT)
        if content is None:
            raise MermaidError(f"{package.name} has no {_SCRIPT}")
        return content.read().decode()
