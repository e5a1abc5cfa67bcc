"""The instances of the stack that Pulumi runs for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi

from dynamic_providers.instances import Instances
from headscale_component.component import Headscale
from headscale_component.spec import HeadscaleArgs, SpecError, load_instances
from headscale_component.spec.config.rules import SECRETS
from headscale_component.spec.errors import Problem
from headscale_component.stack_file import read, stack_file

_SECRET_PATHS = (*(("config", *path) for path in SECRETS), ("connection", "apiKey"), ("connection", "kubeconfig"))


def stack_instances() -> dict[str, HeadscaleArgs]:
    """Return the instances under `headscale:instances` of the running stack, by name.

    Values that the stack file holds encrypted (`pulumi config set --secret --path`) stay Pulumi secrets.

    Raises:
        pulumi.RunError: With every problem at once, which Pulumi shows without a traceback.
    """
    config = pulumi.Config("headscale")
    document = config.get_object("instances")
    if pulumi.runtime.is_config_secret(config.full_key("instances")):
        document = mark_secret_paths(document)
    try:
        return load_instances(document)
    except SpecError as error:
        lines = "\n".join(_with_lines(error.problems))
        raise pulumi.RunError(f"the stack has {len(error.problems)} problem(s):\n{lines}") from None


def declare_instances(instances: Mapping[str, Headscale]) -> None:
    """Declare which instances the stack has, so that a preview warns of one that is removed or renamed.

    Args:
        instances: All of them, by name; without any, nothing is declared.
    """
    declared = {
        name: {
            "namespace": headscale.args.namespace,
            "retain": headscale.args.retain,
            "abandon_data": headscale.args.abandon_data,
        }
        for name, headscale in instances.items()
    }
    connection = next((headscale.connection for headscale in instances.values()), None)
    if connection is not None:
        Instances("instances", declared, pulumi.ResourceOptions(provider=connection))


def _with_lines(problems: Sequence[Problem]) -> list[str]:
    """Return the problems with their lines, where the stack's file is at hand; automation may keep it elsewhere."""
    try:
        file = read(stack_file(Path(), pulumi.get_stack()))
    except SpecError:
        return [str(problem) for problem in problems]
    return [file.format_problem(problem) for problem in problems]


def mark_secret_paths(document: Any) -> Any:  # noqa: ANN401 - whatever a person wrote
    """Return the instances with each text at a secret's path as a Pulumi secret again.

    Pulumi decrypts a structure as a whole, and reports only that something in it was encrypted
    (https://www.pulumi.com/docs/iac/concepts/config/).

    Args:
        document: The value of `headscale:instances`, decrypted; what is no mapping is returned as it is.
    """
    if not isinstance(document, Mapping):
        return document
    return {name: _mark_secrets(instance, _SECRET_PATHS) for name, instance in document.items()}


def _mark_secrets(tree: Any, paths: tuple[tuple[str, ...], ...]) -> Any:  # noqa: ANN401 - whatever a person wrote
    if not isinstance(tree, Mapping):
        return tree
    here = {path[0] for path in paths if len(path) == 1}
    below = {key: tuple(path[1:] for path in paths if path[0] == key and len(path) > 1) for key in tree}
    return {
        key: pulumi.Output.secret(value) if key in here and isinstance(value, str) else _mark_secrets(value, below[key])
        for key, value in tree.items()
    }
