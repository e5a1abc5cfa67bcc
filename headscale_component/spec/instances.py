"""All instances of a stack, and the rules between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headscale_component.spec import resource_names
from headscale_component.spec.empty_sections import without_empty
from headscale_component.spec.errors import PathPart, Problem, SpecError, dotted
from headscale_component.spec.instance import HeadscaleArgs
from headscale_component.spec.instance_name import name_problems
from headscale_component.spec.key_rules import secrets_of, undeclared_owners
from headscale_component.spec.valid_part import valid_part, value_or_none

ROOT = "headscale:instances"
"""The key in a stack file under which the instances stand."""


def load_instances(document: object) -> dict[str, HeadscaleArgs]:
    """Check the instances of a stack.

    Args:
        document: The value of `headscale:instances`: a mapping of instance names to instances.

    Returns:
        The instances by name.

    Raises:
        SpecError: With every problem of every instance, each path beginning with `headscale:instances`.
    """
    if not isinstance(document, Mapping) or not document:
        raise SpecError([Problem((ROOT,), "must be a mapping of names to instances, and hold at least one")])
    problems: list[Problem] = []
    instances: dict[str, HeadscaleArgs] = {}
    for name, given in document.items():
        written = without_empty(HeadscaleArgs, given)
        try:
            instances[name] = HeadscaleArgs.model_validate(_mapping(written))
        except SpecError as error:
            problems += [problem.under(ROOT, name) for problem in error.problems]
            instances[name] = valid_part(HeadscaleArgs, written)
    for name, spec in instances.items():
        problems += [Problem((ROOT, name), text) for text in name_problems(name, spec)]
    problems += _shared_secrets(instances)
    problems += _contradicting_labels(instances)
    problems += _shared_resource_names(instances)
    problems = [_with_instance_of_user(problem, instances) for problem in problems]
    if problems:
        raise SpecError(problems)
    return instances


def _mapping(written: object) -> Mapping[str, Any]:
    if isinstance(written, Mapping):
        return dict(written)
    raise SpecError([Problem((), "must be a mapping, with `version` and `config` at least")])


def _shared_secrets(instances: Mapping[str, HeadscaleArgs]) -> list[Problem]:
    """Find Secrets that two instances would write: the second would overwrite the first one's key."""
    owners: dict[tuple[str, str], str] = {}
    problems = []
    for name, spec in instances.items():
        for namespace, secret, path in secrets_of(spec):
            owner = owners.setdefault((namespace, secret), name)
            if owner != name:
                text = f"Secret `{secret}` in `{namespace}` is written by instance `{owner}` too; name another one"
                problems.append(Problem((ROOT, name, *path), text))
    return problems


def _contradicting_labels(instances: Mapping[str, HeadscaleArgs]) -> list[Problem]:
    """Find a label of one namespace with two values: the instance that is declared last would win."""
    owners: dict[tuple[str, str], tuple[str, str]] = {}
    problems = []
    for name, spec in instances.items():
        namespace, labels = value_or_none(spec, "namespace"), value_or_none(spec, "namespace_labels") or {}
        for label, value in labels.items() if isinstance(namespace, str) else ():
            owner, other = owners.setdefault((namespace, label), (name, value))
            if other != value:
                text = f"is `{other}` by instance `{owner}`, which has the same namespace; write one value in both"
                problems.append(Problem((ROOT, name, "namespaceLabels", label), text))
    return problems


def _shared_resource_names(instances: Mapping[str, HeadscaleArgs]) -> list[Problem]:
    """Find resources of two instances that would be one to Pulumi."""
    owners: dict[tuple[str, str], tuple[PathPart, ...]] = {}
    problems = []
    for instance, spec in instances.items():
        for kind, name, path in resource_names.names_of(str(instance), spec):
            here = (str(instance), *path)
            owner = owners.setdefault((kind, name), here)
            if owner[0] != here[0]:
                text = (
                    f"makes {kind} `{name}`, as `{dotted(owner)}` does, and Pulumi tells resources of a stack apart by "
                    "kind and name; rename the one of them that is not deployed yet"
                )
                problems.append(Problem((ROOT, *here), text))
    return problems


def _with_instance_of_user(problem: Problem, instances: Mapping[Any, HeadscaleArgs]) -> Problem:
    """Add to an undeclared owner of a key the other instance that has such a user: a likely mistake, and no help."""
    match problem.path:
        case (_, instance, "preAuthKeys", key, "user"):
            owner = next((owner for name, owner in undeclared_owners(instances[instance]) if name == key), None)
        case _:
            return problem
    other = next((name for name, spec in instances.items() if owner in (value_or_none(spec, "users") or ())), None)
    if other is None:
        return problem
    return Problem(
        problem.path, f"{problem.message}; instance `{other}` has a user of this name, and is another tailnet"
    )
