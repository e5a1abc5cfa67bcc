"""Users and keys that a program adds to an instance (`Headscale.user()` and its siblings), by the rules of the YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from headscale_component.spec.api_key import ApiKeySpec
from headscale_component.spec.empty_sections import without_empty
from headscale_component.spec.errors import Problem, SpecError, problems_of, text_of
from headscale_component.spec.instance import HeadscaleArgs
from headscale_component.spec.key_rules import (
    check_key_owners,
    check_renewals,
    check_rotations,
    check_secret_names,
    check_tags_only_keys,
)
from headscale_component.spec.model import SpecModel
from headscale_component.spec.pre_auth_key import PreAuthKeySpec
from headscale_component.spec.user import UserSpec
from headscale_component.spec.user_rules import check_user_names
from headscale_component.spec.valid_part import valid_part
from headscale_component.spec.values import DnsSubdomain, Username

M = TypeVar("M", bound=SpecModel)
Rule = Callable[[HeadscaleArgs], Iterator[Problem]]

_USERNAME: TypeAdapter[str] = TypeAdapter(Username)
_KEY_NAME: TypeAdapter[str] = TypeAdapter(DnsSubdomain)


def check_new(section: str, name: object, *known: Mapping[str, object]) -> None:
    """Check that a name is not given a second time, as a mapping of the YAML holds each key once.

    Args:
        section: The section in the YAML, as `users`.
        name: The name.
        known: What is declared already, by name.

    Raises:
        SpecError: When it is.
    """
    if isinstance(name, str) and any(name in names for names in known):
        text = "is declared already, and Pulumi takes each name once; choose another one, or change that declaration"
        raise SpecError([Problem((section, name), text)])


def check_user(
    instance: HeadscaleArgs,
    name: str,
    spec: UserSpec | Mapping[str, Any] | None,
    known_users: Mapping[str, UserSpec] | None = None,
) -> UserSpec:
    """Check a user that is added to an instance.

    Args:
        instance: The instance as it was declared.
        name: The user's name.
        spec: Its profile.
        known_users: Users that were added to the instance before, by name; those that it declares are known.

    Raises:
        SpecError: With every problem, each path beginning with `users.<name>`.
    """
    with_users = {**instance.users, **(known_users or {})}

    def added(user: UserSpec) -> HeadscaleArgs:
        return instance.model_copy(update={"users": {**with_users, name: user}})

    return _check(UserSpec, ("users", name), spec, names=_USERNAME, added=added, rules=(check_user_names,))


def check_pre_auth_key(
    instance: HeadscaleArgs,
    name: str,
    spec: PreAuthKeySpec | Mapping[str, Any],
    known_users: Mapping[str, UserSpec] | None = None,
    *,
    known_pre_auth_keys: Mapping[str, PreAuthKeySpec] | None = None,
    known_api_keys: Mapping[str, ApiKeySpec] | None = None,
) -> PreAuthKeySpec:
    """Check a preauth key that is added to an instance.

    Args:
        instance: The instance as it was declared.
        name: The key's name, and its Secret's unless `secretName` says otherwise.
        spec: The key.
        known_users: Users that were added to the instance before, by name; those that it declares are known.
        known_pre_auth_keys: Preauth keys that were added before, by name: no two keys may write one Secret.
        known_api_keys: API keys that were added before, by name.

    Raises:
        SpecError: With every problem, each path beginning with `preAuthKeys.<name>`.
    """
    keys = {**instance.pre_auth_keys, **(known_pre_auth_keys or {})}
    others = {
        "users": {**instance.users, **(known_users or {})},
        "api_keys": {**instance.api_keys, **(known_api_keys or {})},
    }

    def added(key: PreAuthKeySpec) -> HeadscaleArgs:
        return instance.model_copy(update={**others, "pre_auth_keys": {**keys, name: key}})

    path = ("preAuthKeys", name)
    rules = (check_key_owners, check_tags_only_keys, partial(check_secret_names, added=path), check_renewals)
    return _check(PreAuthKeySpec, path, spec, names=_KEY_NAME, added=added, rules=rules)


def check_api_key(
    instance: HeadscaleArgs,
    name: str,
    spec: ApiKeySpec | Mapping[str, Any] | None,
    *,
    known_pre_auth_keys: Mapping[str, PreAuthKeySpec] | None = None,
    known_api_keys: Mapping[str, ApiKeySpec] | None = None,
) -> ApiKeySpec:
    """Check an API key that is added to an instance.

    Args:
        instance: The instance as it was declared.
        name: The key's name, and its Secret's unless `secretName` says otherwise.
        spec: The key.
        known_pre_auth_keys: Preauth keys that were added before, by name: no two keys may write one Secret.
        known_api_keys: API keys that were added before, by name.

    Raises:
        SpecError: With every problem, each path beginning with `apiKeys.<name>`.
    """
    keys = {**instance.api_keys, **(known_api_keys or {})}
    others = {"pre_auth_keys": {**instance.pre_auth_keys, **(known_pre_auth_keys or {})}}

    def added(key: ApiKeySpec) -> HeadscaleArgs:
        return instance.model_copy(update={**others, "api_keys": {**keys, name: key}})

    path = ("apiKeys", name)
    rules = (partial(check_secret_names, added=path), check_rotations)
    return _check(ApiKeySpec, path, spec, names=_KEY_NAME, added=added, rules=rules)


def _check(
    model: type[M],
    path: tuple[str, str],
    spec: M | Mapping[str, Any] | None,
    *,
    names: TypeAdapter[str],
    added: Callable[[M], HeadscaleArgs],
    rules: tuple[Rule, ...],
) -> M:
    """Check a name, a model, and the rules between it and the rest of an instance.

    Args:
        model: The model.
        path: Where it would stand in the stack YAML.
        spec: What was given.
        names: What checks the name.
        added: Returns the instance with the valid part of what was given.
        rules: The rules of the instance that concern it; what they find elsewhere is not this call's.

    Raises:
        SpecError: With every problem.
    """
    written = without_empty(model, {} if spec is None else spec)
    problems = []
    try:
        names.validate_python(path[-1])
    except ValidationError as error:
        problems += [Problem(path, text_of(detail)) for detail in error.errors()]
    try:
        checked = model.model_validate(written)
    except ValidationError as error:
        problems += [problem.under(*path) for problem in problems_of(error, model)]
        checked = valid_part(model, written)
    found = (problem for rule in rules for problem in rule(added(checked)))
    problems += [problem for problem in found if problem.path[: len(path)] == path]
    if problems:
        raise SpecError(problems)
    return checked
