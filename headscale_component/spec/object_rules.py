"""Rules between keys that end up in objects beside the pod: the image, the ConfigMap of files, the namespace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headscale_component.spec.errors import Problem
from headscale_component.spec.valid_part import rule

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

MAX_CONFIG_MAP_BYTES = 2**20
"""Of all values together (https://kubernetes.io/docs/concepts/configuration/configmap/#motivation)."""

_NUMBERS = re.compile(r"v?(\d+\.\d+\.\d+)(?![0-9.])")
"""What a version begins with; what follows may be of a build, as `-debug`."""


@rule
def check_namespace_labels(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find labels of a namespace that the component does not make, and that nobody would set."""
    if instance.namespace_labels and not instance.create_namespace:
        yield Problem(
            ("namespaceLabels",),
            "are set with `createNamespace: true` alone; write that too, or label the namespace where it is made",
        )


@rule
def check_image_tag(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find an image whose tag is another version than the declared one, beside the digest that decides."""
    name, _, digest = instance.image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    tagged, declared = _NUMBERS.match(tag), _NUMBERS.match(instance.version)
    if digest and tagged and declared and tagged[1] != declared[1]:
        yield Problem(
            ("image",),
            f"has the tag `{tag}`, and `version` is `{instance.version}`: the digest decides what runs, and `version` "
            "how it is configured; change both together",
        )


@rule
def check_inline_files(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find inline files that are more than a ConfigMap holds."""
    texts = {path: file.inline for path, file in instance.files.items() if isinstance(file.inline, str)}
    total = sum(len(text.encode(errors="replace")) for text in texts.values())
    if total > MAX_CONFIG_MAP_BYTES:
        largest = max(texts, key=lambda path: len(texts[path]))
        yield Problem(
            ("files", largest, "inline"),
            f"is the largest of inline files of {total} bytes together, and a ConfigMap holds {MAX_CONFIG_MAP_BYTES}; "
            "give it by `configMapKeyRef`, or put it on a volume of `pod.volumes`",
        )


@rule
def check_pull_secrets(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a Secret that is named twice."""
    names = instance.image_pull_secrets
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Problem(("imagePullSecrets", index), f"`{name}` is in the list already; leave it out")
