"""Files of a person's own, each folder a projected volume, which follows its sources while the pod runs."""

from __future__ import annotations

import hashlib
import posixpath
import re
from itertools import groupby

import pulumi
import pulumi_kubernetes as k8s

from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.files import FileSpec

_PREFIX = "files"
_LONGEST_KEY = 253
_NOT_IN_A_KEY = re.compile(r"[^-_.A-Za-z0-9]")


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
                sources=[_source(path, spec.files[path], keys[path], config_map) for path in paths],
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


def _source(path: str, file: FileSpec, key: str, config_map: pulumi.Input[str]) -> k8s.core.v1.VolumeProjectionArgs:
    name = posixpath.basename(path)
    if secret := file.secret_key_ref:
        items = [k8s.core.v1.KeyToPathArgs(key=secret.key, path=name)]
        return k8s.core.v1.VolumeProjectionArgs(secret=k8s.core.v1.SecretProjectionArgs(name=secret.name, items=items))
    theirs = file.config_map_key_ref
    items = [k8s.core.v1.KeyToPathArgs(key=theirs.key if theirs else key, path=name)]
    return k8s.core.v1.VolumeProjectionArgs(
        config_map=k8s.core.v1.ConfigMapProjectionArgs(name=theirs.name if theirs else config_map, items=items)
    )


def _volume(number: int) -> str:
    return f"{_PREFIX}-{number}"


def _keys(spec: HeadscaleArgs) -> dict[str, str]:
    """Return the key of each file in the instance's ConfigMap, by path: no two files have one.

    A key is the path with dots; where that is no key (https://kubernetes.io/docs/concepts/configuration/configmap/), or
    that of another file, it is a hash of the path.
    """
    keys: dict[str, str] = {}
    for path in sorted(spec.files):
        key = _PREFIX + _NOT_IN_A_KEY.sub(".", path)
        if not path.isascii() or len(key) > _LONGEST_KEY or key in keys.values():
            key = f"{_PREFIX}.{hashlib.sha256(path.encode()).hexdigest()[:32]}"
        keys[path] = key
    return keys
