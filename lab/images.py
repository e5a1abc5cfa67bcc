"""The images that run in the lab. No registry is in reach, so each is made here and imported."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lab import tools
from lab.cluster.parts import CONTAINERD_SOCKET, PAUSE_IMAGE
from lab.progress import LabError, step
from lab.state import CACHE, REPOSITORY

HEADSCALES = {"docker.io/headscale/headscale:v0.28.0": "0.28", "docker.io/headscale/headscale:v0.29.3": "0.29"}
SIDECAR = "docker.io/headscale-component/sidecar:0.1.0"
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_SUITE = "bookworm"


def make() -> None:
    """Make what is not in the cache, and import what the cluster does not have as it is."""
    _import(PAUSE_IMAGE, _pause())
    for name, minor in HEADSCALES.items():
        _import(name, _headscale(name, minor))
    _import(SIDECAR, _sidecar())


def build() -> list[Path]:
    """Make what is not in the cache, and return the archives, for `docker load` or `kind load`."""
    return [_pause(), *(_headscale(name, minor) for name, minor in HEADSCALES.items()), _sidecar()]


def _pause() -> Path:
    """A process that does nothing until it is told to end: busybox, which Debian has as one static file."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise LabError("busybox is not installed; the pause image is made of it", "install Debian's busybox-static")
    return _archive(
        PAUSE_IMAGE,
        {"bin/busybox": Path(busybox)},
        {
            "Entrypoint": [
                "/bin/busybox",
                "sh",
                "-c",
                "trap 'exit 0' TERM INT; while :; do /bin/busybox sleep 3600 & wait; done",
            ]
        },
    )


def _headscale(name: str, minor: str) -> Path:
    """Headscale's own image, as far as anyone can tell from inside: ko's paths, no shell."""
    files = {"ko-app/headscale": tools.headscale_binary(minor), "etc/ssl/certs/ca-certificates.crt": _CA_BUNDLE}
    return _archive(name, files, {"Entrypoint": ["/ko-app/headscale"], "Env": ["PATH=/ko-app:/usr/bin:/bin"]})


def _archive(name: str, files: Mapping[str, Path], config: Mapping[str, object]) -> Path:
    """Return a docker-archive of one layer that holds the files."""
    fingerprint = _hash(
        name, json.dumps(config, sort_keys=True), *(f"{path}:{_file_hash(source)}" for path, source in files.items())
    )
    target = CACHE / "images" / f"{fingerprint}.tar"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, source in files.items():
            entry = tar.gettarinfo(str(source.resolve()), path)
            entry.mode, entry.uid, entry.gid, entry.mtime = 0o755, 0, 0, 0
            with source.open("rb") as content:
                tar.addfile(entry, content)
    _write_archive(target, name, layer.getvalue(), config)
    return target


def _write_archive(target: Path, name: str, layer: bytes, config: Mapping[str, object]) -> None:
    description = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    unfinished = target.with_suffix(".part")
    with tarfile.open(unfinished, "w") as tar:
        for member, content in (("layer.tar", layer), ("config.json", description), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    unfinished.rename(target)


def _sidecar() -> Path:
    """The sidecar's image, by the same Dockerfile that builds it on `python:3.x-slim` elsewhere."""
    sources = [
        REPOSITORY / "images" / "sidecar" / "Dockerfile",
        REPOSITORY / "images" / "sidecar" / "requirements.lock",
        *sorted((REPOSITORY / "headscale_sidecar").rglob("*.py")),
        *sorted((REPOSITORY / "headscale_api").rglob("*.py")),
    ]
    fingerprint = _hash(*(f"{path.relative_to(REPOSITORY)}:{_file_hash(path)}" for path in sources))
    target = CACHE / "images" / f"sidecar-{fingerprint}.tar"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    base = _base_image()
    with step("building the sidecar's image"), tempfile.TemporaryDirectory() as context:
        folder = Path(context)
        for package in ("headscale_api", "headscale_sidecar"):
            shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(REPOSITORY / "images", folder / "images")
        _download_wheels(folder / "wheels")
        unfinished = target.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        _buildah(
            "bud",
            "--isolation",
            "chroot",
            "--build-arg",
            f"BASE={base}",
            "-f",
            str(folder / "images/sidecar/Dockerfile"),
            "-t",
            SIDECAR,
            str(folder),
        )
        _buildah("push", SIDECAR, f"docker-archive:{unfinished}:{SIDECAR}")
        unfinished.rename(target)
    return target


def _download_wheels(folder: Path) -> None:
    """Fetch the sidecar's wheels for the base image's Python, which is this machine's or near it."""
    lock = REPOSITORY / "images" / "sidecar" / "requirements.lock"
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--python-version", "3.11", "--implementation", "cp", "-d", str(folder), "-r", str(lock),
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise LabError(f"fetching the sidecar's packages failed:\n{run.stderr[-1000:]}", "is PyPI in reach?")


def _base_image() -> str:
    """Return the name of a local image with Debian and its Python, in place of `python:3.x-slim`."""
    name = f"localhost/headscale-lab-base:{_SUITE}"
    if subprocess.run([*_BUILDAH, "inspect", name], capture_output=True, check=False).returncode == 0:
        return name
    archive = CACHE / "images" / f"base-{_SUITE}.tar"
    if not archive.exists():
        _bootstrap(archive)
    container = _buildah("from", "scratch").strip()
    _buildah("add", container, str(archive), "/")
    _buildah("commit", "--rm", container, name)
    return name


def _bootstrap(archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (
        step("making a base image with debootstrap (about 40 s the first time)"),
        tempfile.TemporaryDirectory() as folder,
    ):
        root = Path(folder) / "root"
        command = [
            "debootstrap",
            "--variant=minbase",
            "--include=python3,python3-pip,ca-certificates",
            _SUITE,
            str(root),
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise LabError(f"debootstrap failed:\n{run.stdout[-1000:]}", "are Debian's packages in reach?")
        unfinished = archive.with_suffix(".part")
        subprocess.run(["tar", "-C", str(root), "--exclude=./var/cache/*", "-cf", str(unfinished), "."], check=True)
        unfinished.rename(archive)


_BUILDAH = [
    "buildah",
    "--root",
    str(CACHE / "buildah"),
    "--runroot",
    str(CACHE / "buildah-run"),
    "--storage-driver",
    "vfs",
]


def _buildah(*arguments: str) -> str:
    run = subprocess.run([*_BUILDAH, *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise LabError(f"buildah {arguments[0]} failed:\n{(run.stderr or run.stdout)[-1500:]}")
    return run.stdout


def _import(name: str, archive: Path) -> None:
    """Import an archive unless the cluster has this very one."""
    marker = CONTAINERD_SOCKET.parent / "imported" / f"{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    if marker.exists() and marker.read_text() == str(archive):
        return
    with step(f"importing {name}"):
        command = ["ctr", "--address", str(CONTAINERD_SOCKET), "-n", "k8s.io", "images", "import", str(archive)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise LabError(f"importing {name} failed:\n{run.stderr[-1000:]}")
    marker.parent.mkdir(exist_ok=True)
    marker.write_text(str(archive))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
