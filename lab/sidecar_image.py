"""The sidecar's image, built from the Dockerfile of releases.

Built by Debian's buildah and debootstrap where no image registry is reachable, otherwise by docker or podman on
`python:3.x-slim`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headscale_component.versions import VERSION
from headscale_core.defaults import LOCAL_IMAGES
from lab.progress import LabError, step
from lab.state import CACHE, REPOSITORY

SIDECAR = f"{LOCAL_IMAGES}headscale-sidecar:{VERSION}"
"""The image that is built here: the default of a stack that is deployed from a checkout."""

_SUITE = "bookworm"
_PACKAGES = ("headscale_sidecar", "headscale_core")
_LEGAL = ("LICENSE", "NOTICE")
_DOCKERFILE = "images/sidecar/Dockerfile"
_BUILDAH = [
    "buildah", "--root", str(CACHE / "buildah"), "--runroot", str(CACHE / "buildah-run"), "--storage-driver", "vfs",
]  # fmt: skip


def content_tag() -> str:
    """Return the image's name with a tag that changes with its content: a cluster does not pull a tag that it has."""
    return f"{SIDECAR}-{_fingerprint()}"


def archive(name: str = SIDECAR) -> Path:
    """Return a docker-archive of the image under a name, built unless it is in the cache.

    Raises:
        LabError: When it cannot be built here.
    """
    target = CACHE / "images" / f"sidecar-{_hash(name, _fingerprint())}.tar"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    builder = _builder()
    if builder == "buildah":
        _buildah("push", _built_by_buildah(), f"docker-archive:{unfinished}:{name}")
    else:
        _build_by(builder, name)
        _run([builder, "save", "--output", str(unfinished), name])
    unfinished.rename(target)
    return target


def push(name: str) -> None:
    """Push the image to a registry, with the credentials that `docker login` or `buildah login` left.

    Args:
        name: Its name there, registry and tag included. A registry on loopback may speak plain HTTP.

    Raises:
        LabError: When it cannot be built here, or the registry does not take it.
    """
    builder = _builder()
    if builder == "buildah":
        local = name.startswith(("localhost:", "127."))
        _buildah("push", *(["--tls-verify=false"] if local else []), _built_by_buildah(), f"docker://{name}")
    else:
        _build_by(builder, name)
        _run([builder, "push", name])


def run() -> subprocess.CompletedProcess[str]:
    """Start the image with no settings, and return how it ended and what it printed.

    Raises:
        LabError: When it cannot be built here.
    """
    builder = _builder()
    if builder == "buildah":
        container = _buildah("from", _built_by_buildah()).strip()
        command = [*_BUILDAH, "run", "--isolation", "chroot", container, "--", "python3", "-m", "headscale_sidecar"]
    else:
        _build_by(builder, SIDECAR)
        command = [builder, "run", "--rm", SIDECAR]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if builder == "buildah":
        _buildah("rm", container)
    return ended


def _builder() -> str:
    """Return the program that builds the image: buildah where possible, else docker or podman if its daemon answers."""
    if os.geteuid() == 0 and all(map(shutil.which, ("buildah", "debootstrap"))):
        return "buildah"
    for program in ("docker", "podman"):
        if (
            shutil.which(program)
            and subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0
        ):
            return program
    raise LabError(
        "the sidecar's image cannot be built here: neither docker nor podman works",
        "install one, or run as root with buildah and debootstrap, or set `apiKey.managerImage` to your own image",
    )


def _built_by_buildah() -> str:
    """Return the local name of the image, built unless this version exists."""
    name = f"localhost/headscale-lab-sidecar:{_fingerprint()}"
    if subprocess.run([*_BUILDAH, "inspect", name], capture_output=True, check=False).returncode == 0:
        return name
    base = _base_image()
    with step("building the sidecar's image"), _context() as folder:
        _download_wheels(folder / "wheels")
        options = ["--isolation", "chroot", "--build-arg", f"BASE={base}"]
        _buildah("bud", *options, "-f", str(folder / _DOCKERFILE), "-t", name, str(folder))
    return name


def _build_by(program: str, name: str) -> None:
    """Build the image with docker or podman."""
    with step(f"building the sidecar's image with {program}"), _context() as folder:
        _run([program, "build", "-f", str(folder / _DOCKERFILE), "-t", name, str(folder)])


@contextmanager
def _context() -> Iterator[Path]:
    """Create the build context: a folder with the image's files and nothing else."""
    with tempfile.TemporaryDirectory() as context:
        folder = Path(context)
        for package in _PACKAGES:
            shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(REPOSITORY / "images", folder / "images")
        for name in _LEGAL:
            shutil.copy(REPOSITORY / name, folder / name)
        yield folder


def _download_wheels(folder: Path) -> None:
    """Download the sidecar's wheels for the Python of the base image."""
    lock = REPOSITORY / "images" / "sidecar" / "requirements.lock"
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--python-version", "3.11", "--implementation", "cp", "-d", str(folder), "-r", str(lock),
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise LabError(
            f"fetching the sidecar's packages failed:\n{run.stderr[-1000:]}", "is the package index reachable?"
        )


def _base_image() -> str:
    """Return the name of a local image with Debian and its Python, in place of `python:3.x-slim`."""
    name = f"localhost/headscale-lab-base:{_SUITE}"
    if subprocess.run([*_BUILDAH, "inspect", name], capture_output=True, check=False).returncode == 0:
        return name
    packed = CACHE / "images" / f"base-{_SUITE}.tar"
    if not packed.exists():
        _bootstrap(packed)
    container = _buildah("from", "scratch").strip()
    _buildah("add", container, str(packed), "/")
    _buildah("commit", "--rm", container, name)
    return name


def _bootstrap(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        step("building a base image with debootstrap (about 40 s the first time)"),
        tempfile.TemporaryDirectory() as folder,
    ):
        root = Path(folder) / "root"
        include = "--include=python3,python3-pip,ca-certificates"
        command = ["debootstrap", "--variant=minbase", include, _SUITE, str(root)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise LabError(f"debootstrap failed:\n{run.stdout[-1000:]}", "are Debian's package mirrors reachable?")
        unfinished = target.with_suffix(".part")
        subprocess.run(["tar", "-C", str(root), "--exclude=./var/cache/*", "-cf", str(unfinished), "."], check=True)
        unfinished.rename(target)


def _buildah(*arguments: str) -> str:
    return _run([*_BUILDAH, *arguments], f"buildah {arguments[0]}")


def _run(command: Sequence[str], what: str = "") -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise LabError(f"`{what or ' '.join(command[:2])}` failed:\n{(run.stderr or run.stdout).strip()[-1500:]}")
    return run.stdout


def _fingerprint() -> str:
    """Return a hash of the files that the image is made of."""
    sources = [
        REPOSITORY / _DOCKERFILE,
        REPOSITORY / "images" / "sidecar" / "requirements.lock",
        *(path for package in _PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))),
    ]
    return _hash(*(f"{path.relative_to(REPOSITORY)}:{_file_hash(path)}" for path in sources))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
