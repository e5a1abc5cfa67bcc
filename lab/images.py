"""The images of the lab. No registry is reachable, so each is built here and imported."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from lab import sidecar_image, tools
from lab.cluster.parts import CONTAINERD_SOCKET, PAUSE_IMAGE
from lab.progress import LabError, step
from lab.sidecar_image import SIDECAR
from lab.state import CACHE

MINORS = ("0.28", "0.29")
"""The minor versions of Headscale whose images the lab's cluster has from the start."""

_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def make() -> None:
    """Build what is not in the cache, and import what the cluster does not have in this version."""
    _import(PAUSE_IMAGE, _pause())
    for minor in MINORS:
        load(minor)
    _import(SIDECAR, sidecar_image.archive())


def build() -> list[Path]:
    """Build what is not in the cache, and return the archives, for `docker load` or `kind load`."""
    return [_pause(), *(_headscale(headscale(minor), minor) for minor in MINORS), sidecar_image.archive()]


def headscale(minor: str) -> str:
    """Return the name of the image of a minor version of Headscale, such as `0.27`, in the patch version built here."""
    versions = {tool.name: tool.version for tool in tools.HEADSCALES}
    return f"docker.io/headscale/headscale:{versions[f'headscale-{minor}']}"


def load(minor: str) -> str:
    """Import the image of a minor version of Headscale into the lab's cluster, unless it is there.

    Args:
        minor: Such as `0.27`.

    Returns:
        Its name, whose tag is the `version` of a stack.
    """
    name = headscale(minor)
    _import(name, _headscale(name, minor))
    return name


def _pause() -> Path:
    """The pause container's process: busybox, which Debian has as one static file."""
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
    """Headscale's image, as upstream builds it with ko: the same paths, no shell."""
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


def _import(name: str, archive: Path) -> None:
    """Import an archive unless the cluster has it already."""
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
