"""Files in Headscale's container, beside its configuration."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictStr, model_validator

from headscale_component.spec.config.references import KeyReference
from headscale_component.spec.config.types import DATA_DIRECTORY, SOCKET_DIRECTORY
from headscale_component.spec.kubernetes_values import ReadableText
from headscale_component.spec.model import OrOutput, SpecModel

CONFIG_DIRECTORY = "/etc/headscale"
"""Where `config.yaml` is mounted."""

_TAKEN = (
    CONFIG_DIRECTORY,
    DATA_DIRECTORY,
    SOCKET_DIRECTORY,
    "/etc/ssl",
    "/usr",
    "/bin",
    "/lib",
    "/lib64",
    "/sbin",
    "/ko-app",
    "/proc",
    "/sys",
    "/dev",
)
_SYSTEM = ("/", "/etc", "/tmp", "/var", "/var/lib", "/var/run", "/run", "/home", "/root")  # noqa: S108 - names, not files

_NAME = r"(?!\.{1,2}(/|$))[^/:\x00-\x1f\x7f-\x9f\ufffe\uffff]{1,255}"
_NAMES = rf"(/{_NAME})*/(?!\.\.){_NAME}"
FILE_PATH = rf"(?!({'|'.join(_TAKEN)})/)(?!({'|'.join(folder.rstrip('/') for folder in _SYSTEM)})/[^/]*$){_NAMES}"
"""The pattern of a file's path, without the lengths of names in bytes."""
_LONGEST_NAME_BYTES = 255
"""On Linux."""


def _mountable(path: str) -> str:
    folder = posixpath.dirname(path)
    if not path.startswith("/") or path.startswith("//") or path != posixpath.normpath(path) or path.endswith("/"):
        raise ValueError(f"`{path}` is no absolute path of a file; write for example `/etc/headscale-tls/tls.crt`")
    for name in path.split("/")[1:]:
        if not re.fullmatch(_NAME, name) or len(name.encode(errors="replace")) > _LONGEST_NAME_BYTES:
            raise ValueError(
                f"`{name}` is no name of a file or folder in a volume: at most {_LONGEST_NAME_BYTES} bytes, without "
                "`:` and control characters, as `tls.crt`"
            )
    if posixpath.basename(path).startswith(".."):
        # https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/apis/core/validation/validation.go (`KeyToPath`)
        raise ValueError(
            f"`{posixpath.basename(path)}` is no name of a file in a volume: it begins with `..`; rename it"
        )
    if folder in _SYSTEM or any(folder == taken or folder.startswith(f"{taken}/") for taken in _TAKEN):
        raise ValueError(
            f"`{folder}` would hide what is there; give the file a folder of its own, as `/etc/headscale-tls/tls.crt`"
        )
    return path


FilePathInPod = Annotated[StrictStr, AfterValidator(_mountable)]
"""A file in a folder of its own, which is mounted whole."""


class FileSpec(SpecModel):
    """Where a file's content comes from: exactly one of these."""

    inline: Annotated[OrOutput[ReadableText] | None, Field(repr=False)] = None
    """The content itself, not for secrets; a change of it rolls the pod."""

    config_map_key_ref: KeyReference | None = None
    """A ConfigMap. A change reaches the file within a minute or two and does not roll the pod."""

    secret_key_ref: KeyReference | None = None
    """A Secret. A change reaches the file within a minute or two and does not roll the pod."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.inline, self.config_map_key_ref, self.secret_key_ref)) == 1:
            return self
        raise ValueError("needs exactly one of `inline`, `configMapKeyRef` and `secretKeyRef`")
