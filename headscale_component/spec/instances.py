"""All instances of a stack, and the rules between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from pydantic import TypeAdapter, ValidationError

from headscale_component.spec import resource_names
from headscale_component.spec.errors import PathPart, Problem, SpecError, dotted, text_of
from headscale_component.spec.instance import HeadscaleArgs
from headscale_component.spec.key_rules import secrets_of, undeclared_owners
from headscale_component.spec.valid_part import rule, valid_part, value_or_none
from headscale_component.spec.values import DnsLabel

ROOT = "headscale:instances"
"""The key in a stack file under which the instances stand."""

_NAME: TypeAdapter[str] = TypeAdapter(DnsLabel)
LONGEST_NAME = 40
"""Characters of an instance's name: Kubernetes makes labels of it and a suffix."""


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
    problems = list(chain.from_iterable(_name_problems(name) for name in document))
    instances: dict[str, HeadscaleArgs] = {}
    for name, written in document.items():
        try:
            instances[name] = HeadscaleArgs.model_validate(_mapping(written))
        except SpecError as error:
            problems += [problem.under(ROOT, name) for problem in error.problems]
            instances[name] = valid_part(HeadscaleArgs, written)
    problems += chain.from_iterable(_taken_name(str(name), spec) for name, spec in instances.items())
    problems += _namespace_labels(instances)
    problems += _shared_secrets(instances)
    problems += _shared_resource_names(instances)
    problems = [_with_instance_of_user(problem, instances) for problem in problems]
    if problems:
        raise SpecError(problems)
    return instances


def _mapping(written: object) -> Mapping[str, Any]:
    if isinstance(written, Mapping):
        return dict(written)
    raise SpecError([Problem((), "must be a mapping, with `version` and `config` at least")])


def _name_problems(name: object) -> list[Problem]:
    if not isinstance(name, str):
        return [
            Problem((ROOT, str(name)), f"is no text but `{name!r}`, and cannot name an instance; write it in quotes")
        ]
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        return [Problem((ROOT, name), text_of(detail)) for detail in error.errors()]
    if len(name) > LONGEST_NAME:
        # Pods get the label controller-revision-hash, the set's name and a hash, in 63 characters.
        return [Problem((ROOT, name), f"has {len(name)} characters; Kubernetes has room for {LONGEST_NAME}")]
    return []


@rule
def _taken_name(name: str, spec: HeadscaleArgs) -> Iterator[Problem]:
    """Find an instance whose objects are there already: Kubernetes' own in a namespace."""
    if name == "default" and spec.api_key.auto_manage:
        yield Problem(
            (ROOT, name),
            "would take over the ServiceAccount `default` of the namespace, with which other pods run, and give it the "
            "rights on the API key's Secret (https://kubernetes.io/docs/concepts/security/service-accounts/"
            "#default-service-accounts); choose another name",
        )
    if name == "kubernetes" and spec.namespace == "default":
        yield Problem(
            (ROOT, name),
            "is the Service of the API server in the namespace `default` (https://kubernetes.io/docs/tasks/run-application/"
            "access-api-from-pod/); choose another name or namespace",
        )


def _namespace_labels(instances: Mapping[str, HeadscaleArgs]) -> Iterator[Problem]:
    """Find two values for one label of a namespace: the instance that comes last would win."""
    seen: dict[tuple[object, str], tuple[str, str]] = {}
    for name, spec in instances.items():
        namespace, labels = value_or_none(spec, "namespace"), value_or_none(spec, "namespace_labels") or {}
        for label, value in labels.items() if isinstance(namespace, str) else ():
            owner, other = seen.setdefault((namespace, label), (name, value))
            if other != value:
                yield Problem(
                    (ROOT, name, "namespaceLabels", label),
                    f"`{value}` contradicts instance `{owner}`, which sets it to `{other}` on the same namespace "
                    f"`{namespace}`; write the same in both, or in one of them alone",
                )


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
