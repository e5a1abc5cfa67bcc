"""Rules of single additions to the pod, beside their types: what the API server checks of each.

Source: https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headscale_component.spec import kubernetes_values
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.model import is_output
from headscale_component.spec.valid_part import rule
from headscale_core.values import metadata, validators

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

Path = tuple[PathPart, ...]
Part = Mapping[str, Any]


@rule
def check_each_volume(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find volumes without a usable name, or that are not of one kind."""
    for index, volume in enumerate(instance.pod.volumes):
        yield from _check_volume(("pod", "volumes", index), volume)


@rule
def _check_volume(path: Path, volume: Part) -> Iterator[Problem]:
    yield from _broken((*path, "name"), volume.get("name"), validators.dns_label)
    kinds = sorted(key for key, value in volume.items() if key != "name" and value is not None)
    if len(kinds) != 1:
        found = f"has {' and '.join(f'`{kind}`' for kind in kinds)}" if kinds else "has no source"
        yield Problem(path, f"{found}; write one source, as `emptyDir: {{}}`")


@rule
def check_each_container(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find containers without a usable name or image."""
    for index, container in enumerate(instance.pod.containers):
        yield from _check_container(("pod", "containers", index), container)


@rule
def _check_container(path: Path, container: Part) -> Iterator[Problem]:
    yield from _broken((*path, "name"), container.get("name"), validators.dns_label)
    if container.get("image") is None:
        yield Problem((*path, "image"), "is required and missing")
    yield from _broken((*path, "image"), container.get("image"), kubernetes_values.image)


@rule
def check_each_toleration(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find tolerations whose fields contradict each other."""
    for index, toleration in enumerate(instance.pod.tolerations):
        yield from _check_toleration(("pod", "tolerations", index), toleration)


@rule
def _check_toleration(path: Path, toleration: Part) -> Iterator[Problem]:
    operator = toleration.get("operator") or "Equal"
    key, value = toleration.get("key"), toleration.get("value")
    if is_output(operator):
        return
    if key and not is_output(key):
        yield from _broken((*path, "key"), key, lambda text: _as_label(text, "true"))
    elif operator != "Exists":
        yield Problem(path, "without `key` it has to have `operator: Exists`; add one of them")
    if operator == "Exists" and value:
        yield Problem((*path, "value"), "is not possible with `operator: Exists`; leave it out")
    elif isinstance(value, str) and operator == "Equal":
        yield from _broken((*path, "value"), value, lambda text: _as_label("key", text))
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        yield Problem((*path, "tolerationSeconds"), "needs `effect: NoExecute`; add that, or leave it out")


def _as_label(name: str, value: str) -> None:
    metadata.checked_labels({name: value})


def _broken(path: Path, value: object, check: Callable[[str], object]) -> Iterator[Problem]:
    """Yield the problem that a check finds in a text; what is none, or only known to Pulumi, has been dealt with."""
    try:
        if isinstance(value, str):
            check(value)
    except ValueError as error:
        yield Problem(path, str(error))
