"""Files of a person's own, each folder a projected volume, which follows its sources while the pod runs."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from itertools import groupby

import pulumi
import pulumi_kubernetes as k8s

from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.files import FileSpec

_PREFIX = "files"
_LONGEST_KEY = 253


def inline_data(spec: HeadscaleArgs) -> dict[str, pulumi.Input[str]]:
    """Return the inline files under their keys in the instance's ConfigMap."""
    keys = _keys(spec)
    return {keys[path]: file.inline for path, file in spec.files.items() if file.inline is not None}


def volumes(spec: HeadscaleArgs, config_map: pulumi.Input[str]) -> list[k8s.core.v1.VolumeArgs]:
    """Return a volume for each folder that holds files.

    Args:
        spec: The instance.
        config_map: The instance's ConfigMap, which holds the inline ones.
    """
    keys = _keys(spec)
    return [
        k8s.core.v1.VolumeArgs(
            name=_volume(number),
            projected=k8s.core.v1.ProjectedVolumeSourceArgs(
                default_mode=0o440,
                sources=[_source(path, spec.files[path], config_map, keys) for path in paths],
            ),
        )
        for number, (_, paths) in enumerate(_folders(spec))
    ]


def mounts(spec: HeadscaleArgs) -> list[k8s.core.v1.VolumeMountArgs]:
    """Return the mounts of those volumes."""
    return [
        k8s.core.v1.VolumeMountArgs(name=_volume(number), mount_path=folder, read_only=True)
        for number, (folder, _) in enumerate(_folders(spec))
    ]


def _folders(spec: HeadscaleArgs) -> list[tuple[str, list[str]]]:
    by_folder = groupby(sorted(spec.files, key=posixpath.split), key=posixpath.dirname)
    return [(folder, list(paths)) for folder, paths in by_folder]


def _source(
    path: str, file: FileSpec, config_map: pulumi.Input[str], keys: Mapping[str, str]
) -> k8s.core.v1.VolumeProjectionArgs:
    name = posixpath.basename(path)
    if secret := file.secret_key_ref:
        items = [k8s.core.v1.KeyToPathArgs(key=secret.key, path=name)]
        return k8s.core.v1.VolumeProjectionArgs(secret=k8s.core.v1.SecretProjectionArgs(name=secret.name, items=items))
    theirs = file.config_map_key_ref
    items = [k8s.core.v1.KeyToPathArgs(key=theirs.key if theirs else keys[path], path=name)]
    return k8s.core.v1.VolumeProjectionArgs(
        config_map=k8s.core.v1.ConfigMapProjectionArgs(name=theirs.name if theirs else config_map, items=items)
    )


def _volume(number: int) -> str:
    return f"{_PREFIX}-{number}"


def _keys(spec: HeadscaleArgs) -> dict[str, str]:
    """Return the keys of inline files in the ConfigMap, by path; no two files have one key.

    Characters of a key: https://kubernetes.io/docs/concepts/configuration/configmap/#configmap-object.
    """
    keys: dict[str, str] = {}
    for path in sorted(path for path, file in spec.files.items() if file.inline is not None):
        key = _PREFIX + re.sub(r"[^-._a-zA-Z0-9]", ".", path)
        if key in keys.values() or len(key) > _LONGEST_KEY:
            digest = hashlib.sha256(path.encode()).hexdigest()
            key = f"{key[: _LONGEST_KEY - len(digest) - 1]}.{digest}"
        keys[path] = key
    return keys
