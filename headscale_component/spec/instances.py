"""All instances of a stack, and the rules between them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from pydantic import TypeAdapter, ValidationError

from headscale_component.spec import resource_names
from headscale_component.spec.errors import PathPart, Problem, SpecError, dotted
from headscale_component.spec.instance import HeadscaleArgs
from headscale_component.spec.rules import secrets_of
from headscale_component.spec.values import DnsLabel

ROOT = "headscale:instances"
"""The key in a stack file under which the instances stand."""

_NAME: TypeAdapter[str] = TypeAdapter(DnsLabel)
_LONGEST_NAME = 40


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
    for name, raw in document.items():
        try:
            instances[name] = HeadscaleArgs.model_validate(_mapping(raw))
        except SpecError as error:
            problems += [problem.under(ROOT, name) for problem in error.problems]
    problems += _shared_secrets(document)
    problems += _shared_resource_names(document)
    problems = [_with_home_of_user(problem, document) for problem in problems]
    if problems:
        raise SpecError(problems)
    return instances


def _mapping(raw: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a person wrote
    if isinstance(raw, Mapping):
        return dict(raw)
    raise SpecError([Problem((), "must be a mapping, with `version` and `config` at least")])


def _name_problems(name: str) -> list[Problem]:
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        return [Problem((ROOT, name), str(error.errors()[0]["msg"]).removeprefix("Value error, "))]
    if len(name) > _LONGEST_NAME:
        # Pods get the label controller-revision-hash, the set's name and a hash, in 63 characters.
        return [Problem((ROOT, name), f"has {len(name)} characters; Kubernetes has room for {_LONGEST_NAME}")]
    return []


def _shared_secrets(document: Mapping[str, Any]) -> list[Problem]:
    """Find Secrets that two instances would write: the second would overwrite the first one's key."""
    owners: dict[tuple[str, str], str] = {}
    problems = []
    for name, raw in document.items():
        if not isinstance(raw, Mapping):
            continue
        for namespace, secret, path in secrets_of(raw):
            owner = owners.setdefault((namespace, secret), name)
            if owner != name:
                text = f"Secret `{secret}` in `{namespace}` is written by instance `{owner}` too; name another one"
                problems.append(Problem((ROOT, name, *path), text))
    return problems


def _shared_resource_names(document: Mapping[str, Any]) -> list[Problem]:
    """Find resources of two instances that would be one to Pulumi."""
    owners: dict[tuple[str, str], tuple[PathPart, ...]] = {}
    problems = []
    for instance, raw in document.items():
        for kind, name, path in resource_names.names_of(str(instance), raw if isinstance(raw, Mapping) else {}):
            here = (str(instance), *path)
            owner = owners.setdefault((kind, name), here)
            if owner[0] != here[0]:
                text = (
                    f"makes {kind} `{name}`, as `{dotted(owner)}` does, and Pulumi tells resources of a stack apart by "
                    "kind and name; rename the one of them that is not deployed yet"
                )
                problems.append(Problem((ROOT, *here), text))
    return problems


def _with_home_of_user(problem: Problem, document: Mapping[str, Any]) -> Problem:
    """Say of a user that is not there in which other instance it is: a likely mistake, and no help there."""
    if problem.path[2:3] != ("preAuthKeys",) or problem.path[-1] != "user":
        return problem
    if "is not under `users`" not in problem.message:
        return problem
    *_, key, _user = problem.path
    written = document[str(problem.path[1])]
    wanted = next((value.get("user") for name, value in _keys_of(written).items() if name == key), None)
    homes = [name for name, raw in document.items() if name != problem.path[1] and wanted in _users_of(raw)]
    if not homes:
        return problem
    return Problem(
        problem.path, f"{problem.message}; instance `{homes[0]}` has a user of this name, and is another tailnet"
    )


def _users_of(instance: object) -> Mapping[str, Any]:
    users = instance.get("users") if isinstance(instance, Mapping) else None
    return users if isinstance(users, Mapping) else {}


def _keys_of(instance: Mapping[str, Any]) -> Mapping[str, Any]:
    keys = instance.get("preAuthKeys", instance.get("pre_auth_keys"))
    keys = keys if isinstance(keys, Mapping) else {}
    return {name: value for name, value in keys.items() if isinstance(value, Mapping)}
