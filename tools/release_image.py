"""Check the sidecar's image for a release: what it declares, and that it starts.

The image is the one that `make images` builds, by buildah, docker or podman, whichever works on this machine.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

ENTRYPOINT = ["python3", "-m", "headscale_sidecar"]
USER = "65532:65532"
_LICENCE = "org.opencontainers.image.licenses"
_SETTINGS_MISSING = 2
"""The sidecar's exit code without any setting."""
_MESSAGE = "SECRET_NAME is required and missing"


def problems() -> list[str]:
    """Build the image, start it with no settings, and return what is not as a release has to be.

    Raises:
        LabError: When the image cannot be built, or nothing on this machine can run it; with what to install.
    """
    from lab import sidecar_image  # noqa: PLC0415 - the lab is loaded where an image is built

    return [*config_problems(config_of(sidecar_image.archive())), *start_problems(sidecar_image.run())]


def config_of(archive: Path) -> dict[str, Any]:
    """Return the configuration of the image in a docker-archive.

    Source: https://github.com/moby/docker-image-spec/blob/main/v1.2.md.
    """
    with tarfile.open(archive) as tar:
        (image,) = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type] # a file, by the format
        config: dict[str, Any] = json.load(tar.extractfile(image["Config"]))["config"]  # type: ignore[arg-type]
    return config


def config_problems(config: dict[str, Any]) -> list[str]:
    """Return what an image declares otherwise than the pod of an instance relies on."""
    expected = {"Entrypoint": ENTRYPOINT, "User": USER}
    found = [f"{key} of the image: {config.get(key)!r}, and not {value!r}" for key, value in expected.items()
             if config.get(key) != value]  # fmt: skip
    licence = (config.get("Labels") or {}).get(_LICENCE)
    return found if licence == "Apache-2.0" else [*found, f"licence of the image: {licence!r}, and not 'Apache-2.0'"]


def start_problems(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what is wrong with a start without settings: the sidecar names the first that it misses."""
    output = ended.stdout + ended.stderr
    if ended.returncode == _SETTINGS_MISSING and _MESSAGE in output:
        return []
    return [f"the image does not start: exit code {ended.returncode}, and not {_SETTINGS_MISSING}: {output[-1000:]}"]
