"""The stack file of the user's own cluster: the lab's stack, for clusters whose Service addresses are not reachable.

`make up` writes it once and afterwards changes only the sidecar's image in it: the rest is the user's to edit.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from lab.state import REPOSITORY

STACK = "own"
FILE = REPOSITORY / "stacks" / f"Pulumi.{STACK}.yaml"
_LAB_FILE = REPOSITORY / "stacks" / "Pulumi.lab.yaml"
_INSTANCES = "headscale:instances"
_LAB_DOMAIN = ".headscale.local"
_FIRST_PORT = 16080
_OUR_IMAGE = re.compile(r".*sidecar:.*-[0-9a-f]{12}")
_HEADER = """\
# yaml-language-server: $schema=../schemas/stack.schema.json
# The stack of your own cluster: `make up` wrote it from Pulumi.lab.yaml, and updates only `managerImage` in it.
# `make join` forwards a port to server_url; with the address of your ingress there, no port is forwarded.
"""


def write(file: Path = FILE, lab_file: Path = _LAB_FILE) -> bool:
    """Write the file unless it exists; return whether it was written."""
    if file.exists():
        return False
    document = of_lab(yaml.safe_load(lab_file.read_text()))
    file.write_text(_HEADER + yaml.safe_dump(document, sort_keys=False))
    return True


def remove(file: Path = FILE, lab_file: Path = _LAB_FILE) -> bool:
    """Delete the file unless it was edited; return whether it is deleted."""
    if not file.exists():
        return True
    made = of_lab(yaml.safe_load(lab_file.read_text()))
    if _without_images(yaml.safe_load(file.read_text())) != _without_images(made):
        return False
    file.unlink()
    return True


def of_lab(lab: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stack for the user's own cluster, from the lab's.

    Each instance gets an address on this machine's loopback, from which `make join` forwards a port, unless its
    `server_url` is not the lab's. The encryption salt is left out: it belongs to the lab's passphrase.
    """
    document: dict[str, Any] = {"config": copy.deepcopy(lab["config"])}
    for port, instance in enumerate(_instances(document).values(), _FIRST_PORT):
        config = instance.setdefault("config", {})
        if str(urlsplit(str(config.get("server_url", ""))).hostname).endswith(_LAB_DOMAIN):
            config["server_url"] = f"http://127.0.0.1:{port}"
    return document


def image_settings(document: Mapping[str, Any]) -> dict[str, str]:
    """Return where the sidecar's image is set, and its value: empty where it is not set yet.

    Instances without a sidecar, and images that the user chose, are left out.

    Args:
        document: A stack file.

    Returns:
        Images by the path that `pulumi config set --path` takes.
    """
    found = {}
    for name, instance in _instances(document).items():
        section = next((key for key in ("api_key", "apiKey") if key in instance), "apiKey")
        api_key = instance.get(section) or {}
        key = next((key for key in ("manager_image", "managerImage") if key in api_key), "managerImage")
        image = str(api_key.get(key, ""))
        runs = api_key.get("autoManage", api_key.get("auto_manage", True))
        if runs and (not image or _OUR_IMAGE.fullmatch(image)):
            found[f"{_INSTANCES}.{name}.{section}.{key}"] = image
    return found


def _without_images(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stack's configuration without what `make up` and Pulumi put into it."""
    config: dict[str, Any] = copy.deepcopy(document["config"])
    for key, value in config.items():
        # `pulumi config set` rewrites the `true` of other keys as a string.
        if isinstance(value, bool):
            config[key] = str(value).lower()
    for path in image_settings(document):
        instance, section, key = path.removeprefix(f"{_INSTANCES}.").split(".")
        api_key = config[_INSTANCES][instance].get(section) or {}
        api_key.pop(key, None)
        if not api_key:
            config[_INSTANCES][instance].pop(section, None)
    return config


def _instances(document: Mapping[str, Any]) -> dict[str, Any]:
    instances: dict[str, Any] = document["config"][_INSTANCES]
    return instances
