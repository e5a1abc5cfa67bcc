"""Prepare and check a release: `python -m tools.release pin | build | check`.

`pin` writes what is known only when a release is made: the sidecar's image by its digest, and the address of the
wheel. `build` builds wheel and sdist, and checks what is in them. `check` does all of it from a clean clone, and
installs the wheel on each Python of this machine; `make release-check` runs it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from email.parser import Parser
from pathlib import Path

from headscale_component.versions import VERSION
from lab.progress import LabError
from tools import release_image
from tools.architecture import ROOTS

TOP = Path(__file__).parents[1]
WHEEL = f"headscale_component-{VERSION}-py3-none-any.whl"
SDIST = f"headscale_component-{VERSION}.tar.gz"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

_BESIDE = {".gitignore", "CHANGELOG.md", "LICENSE", "NOTICE", "PKG-INFO", "README.md", "pyproject.toml"}
"""What the sdist has beside the packages."""

_IMAGE = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}")
_PUBLISHED = re.compile(r"^(PUBLISHED_SIDECAR: str \| None = ).*$", re.MULTILINE)


class ReleaseError(Exception):
    """Something is not as a release has to be."""


def pin(top: Path, image: str, repository: str) -> None:
    """Write the image of a release into the package, and the address of its wheel into the template.

    Args:
        top: The checkout.
        image: The sidecar's image with its digest, as `ghcr.io/owner/name/sidecar@sha256:…`.
        repository: The address of the repository, as `https://github.com/owner/name`.

    Raises:
        ReleaseError: When the image has no digest.
    """
    if not _IMAGE.fullmatch(image):
        raise ReleaseError(f"`{image}` is not an image with a digest, as ghcr.io/owner/name/sidecar@sha256:…")
    module = top / "headscale_component" / "versions.py"
    text, count = _PUBLISHED.subn(rf'\g<1>"{image}"', module.read_text())
    if count != 1:
        raise ReleaseError(f"{module} does not set PUBLISHED_SIDECAR once")
    module.write_text(text)
    wheel = f"headscale-component @ {repository}/releases/download/v{VERSION}/{WHEEL}\n"
    (top / "templates" / "python" / "requirements.txt").write_text(wheel)


def build(top: Path, target: Path) -> None:
    """Build wheel and sdist of a checkout into a folder, and check both.

    Raises:
        ReleaseError: When something else than the packages is in them, or the metadata are wrong.
    """
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(top)])
    check_wheel(target / WHEEL)
    check_sdist(target / SDIST)


def check_wheel(wheel: Path) -> None:
    """Check that a wheel holds the packages and nothing else, with the licence and the command.

    Raises:
        ReleaseError: When it does not.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = f"headscale_component-{VERSION}.dist-info"
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        scripts = archive.read(f"{info}/entry_points.txt").decode()
    _expect("packages in the wheel", {name.partition("/")[0] for name in names}, {*ROOTS, info})
    _expect("compiled files", {name for name in names if name.endswith(".pyc")}, set())
    _expect("files of the licence", names & {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"},
            {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"})  # fmt: skip
    _expect("version", metadata["Version"], VERSION)
    _expect("licence", metadata["License-Expression"], "Apache-2.0")
    _expect("command", "headscale-component = headscale_component.__main__:main" in scripts, True)


def check_sdist(sdist: Path) -> None:
    """Check that an sdist holds the packages and what the build needs.

    Raises:
        ReleaseError: When it does not.
    """
    with tarfile.open(sdist) as archive:
        found = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    _expect("parts of the sdist", found, {*ROOTS, *_BESIDE})


def pythons() -> list[Path]:
    """Return the supported interpreters of this machine: those on PATH, and those of pyenv."""
    found = []
    for version in PYTHONS:
        pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python{version}"))
        candidates = [*filter(None, [shutil.which(f"python{version}")]), *map(str, pyenv)]
        found += [Path(each) for each in candidates if _answers(each, version)][:1]
    return found


def check_installed(python: Path, wheel: Path, stacks: Path, folder: Path) -> None:
    """Install the wheel into a fresh environment, run a program with it, and its command.

    Raises:
        ReleaseError: When one of them fails.
    """
    environment = folder / f"venv-{python.name}"
    _run([str(python), "-m", "venv", str(environment)])
    _run([str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel)])
    _run([str(environment / "bin" / "python"), str(TOP / "tools" / "program_with_mocks.py")], folder)
    _run([str(environment / "bin" / "headscale-component"), "validate", str(stacks / "Pulumi.production.yaml")], folder)
    shutil.rmtree(environment)


def check_image() -> None:
    """Build the image as `make images` does, and check what it declares and that it starts.

    Raises:
        ReleaseError: When something is not as it has to be.
        LabError: When nothing on this machine can build and run images: the image is then not checked.
    """
    found = release_image.problems()
    if found:
        raise ReleaseError("\n".join(found))


def check() -> None:
    """Check a release from a clean clone of what is committed.

    Raises:
        ReleaseError: When something is not as it has to be.
    """
    if _run(["git", "-C", str(TOP), "status", "--porcelain"]).strip():
        raise ReleaseError("the checkout has changes: a release is built of what is committed")
    found = pythons()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clone, dist = folder / "clone", folder / "dist"
        _run(["git", "clone", "--quiet", str(TOP), str(clone)])
        build(clone, dist)
        _say("wheel and sdist")
        _run([str(TOP / ".venv-docs" / "bin" / "python"), "-m", "mkdocs", "build", "--quiet"], clone)
        _say("docs")
        for python in found:
            check_installed(python, dist / WHEEL, clone / "stacks", folder)
            _say(python.name)
    missing = set(PYTHONS) - {python.name.removeprefix("python") for python in found}
    if missing:
        print(f"not here, so not checked: Python {', '.join(sorted(missing))}")
    check_image()
    _say("image")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 1 when something is not as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description="Prepare and check a release.")
    commands = parser.add_subparsers(dest="command", required=True)
    pinned = commands.add_parser("pin", help="write the published image into the package")
    pinned.add_argument("image", help="with its digest, as ghcr.io/owner/name/sidecar@sha256:…")
    pinned.add_argument("repository", help="the address of the repository")
    commands.add_parser("build", help="build wheel and sdist").add_argument("directory", type=Path)
    commands.add_parser("check", help="check all of it from a clean clone")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.command == "pin":
            pin(TOP, parsed.image, parsed.repository)
        elif parsed.command == "build":
            build(TOP, parsed.directory)
        else:
            check()
    except (ReleaseError, LabError) as error:
        print(f"error: {error}", file=sys.stderr)
        if isinstance(error, LabError) and error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 1
    return 0


def _answers(python: str, version: str) -> bool:
    """Return whether an interpreter runs: a name on PATH may be that of one which is not installed."""
    run = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
    return run.returncode == 0 and run.stdout.startswith(f"Python {version}.")


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ReleaseError(f"{what}: {found!r}, and not {expected!r}")


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        raise ReleaseError(f"`{' '.join(command)}` failed:\n{(run.stdout + run.stderr).strip()[-3000:]}")
    return run.stdout


def _say(what: str) -> None:
    print(f"ok: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
