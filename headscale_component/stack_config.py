"""The instances of the stack that Pulumi runs for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi

from dynamic_providers.instances import Instances
from headscale_component.component import Headscale
from headscale_component.spec import HeadscaleArgs, SpecError
from headscale_component.spec.errors import Problem
from headscale_component.spec.escapes import escaped
from headscale_component.spec.instances import ROOT
from headscale_component.stack_file import StackFile, load, load_file, read, stack_file
from headscale_component.stack_file.documents import parse_text
from headscale_component.stack_file.encrypted import OtherDocumentError, mark_encrypted, seal_secret_paths

_UNKNOWN_SECRETS = (
    "holds an encrypted value, and no stack file is at hand that says where; encrypted values are taken at "
    "`config.oidc.client_secret`, `config.database.postgres.pass`, `connection.apiKey` and `connection.kubeconfig`"
)


def stack_instances() -> dict[str, HeadscaleArgs]:
    """Return the instances under `headscale:instances` of the running stack, by name.

    Values that the stack file holds encrypted (`pulumi config set --secret --path`) stay Pulumi secrets, and are
    refused where a secret would reach the cluster in clear.

    Raises:
        pulumi.RunError: With every problem at once, which Pulumi shows without a traceback.
    """
    config = pulumi.Config("headscale")
    text = config.get("instances")
    is_secret = pulumi.runtime.is_config_secret(config.full_key("instances"))
    file = None
    try:
        try:
            document = parse_text(text) if text else None
        except ValueError as error:
            raise SpecError([Problem((ROOT,), str(error))]) from None
        file, marked = _of_file(document)
        if document is None and file is not None:
            return load_file(file)
        if file is None and is_secret:
            marked = _without_file(document)
        return load(marked)
    except SpecError as error:
        lines = _with_lines(error.problems, file)
        raise pulumi.RunError(f"the stack has {len(lines)} problem(s):\n" + "\n".join(lines)) from None


def _of_file(document: Any) -> tuple[StackFile | None, Any]:  # noqa: ANN401 - whatever a person wrote
    """Return the stack's file, and the instances with secrets where it has encrypted values.

    Args:
        document: The value of `headscale:instances`, decrypted.

    Returns:
        None and the document as it is where the file is not at hand, as it may be with the Automation API,
        `--config-file`, or configuration from an environment.
    """
    try:
        directory = pulumi.runtime.get_root_directory() or Path()
        file = read(stack_file(Path(directory), pulumi.get_stack()))
        return file, mark_encrypted(file.instances, document, pulumi.Output.secret)
    except (SpecError, OtherDocumentError):
        return None, document


def _without_file(document: Any) -> Any:  # noqa: ANN401 - whatever a person wrote
    """Return the instances with a secret at each path that takes one, of which at least one is there.

    Raises:
        SpecError: When there is none, so that what is encrypted is where it cannot be.
    """
    marked = mark_secret_paths(document)
    if marked == document:
        raise SpecError([Problem((ROOT,), _UNKNOWN_SECRETS)])
    return marked


def mark_secret_paths(document: Any) -> Any:  # noqa: ANN401 - whatever a person wrote
    """Return decrypted instances with each text at a secret's path as a Pulumi secret again.

    Args:
        document: The value of `headscale:instances`, decrypted; what is no mapping is returned as it is.
    """
    return seal_secret_paths(document, pulumi.Output.secret)


def _with_lines(problems: Sequence[Problem], file: StackFile | None) -> list[str]:
    """Return the problems with their lines, where the stack's file is at hand."""
    return file.format_problems(problems) if file else [escaped(str(problem)) for problem in problems]


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
