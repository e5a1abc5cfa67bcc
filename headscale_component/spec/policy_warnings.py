"""What a policy does that nobody wants without knowing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headscale_component.spec.policy import Document
from headscale_component.spec.policy_aliases import users_named_in
from headscale_component.spec.policy_parts import items_of, kind_of, rules_in, section_at
from headscale_component.spec.policy_users import bearers
from headscale_component.versions import minor_version
from headscale_core.values.versions import UNIQUE_NAMES_IN_POLICY, Feature, HeadscaleVersion

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs


def policy_warnings(document: Document, instance: HeadscaleArgs | None = None) -> list[str]:
    """Return what a policy does that nobody wants without knowing: locking somebody out, now or after a login.

    Args:
        document: The policy.
        instance: The instance that it is of, where that is known.
    """
    found = _locks_out(document)
    if instance is not None:
        found += [*_may_become_two(document, instance), *_switches_groups_off(document, instance)]
        found += () if found else _forgets(document, instance)
    return found


_ONE_UNKNOWN_SWITCHES_OFF = Feature(since=HeadscaleVersion(0, 27), until=HeadscaleVersion(0, 27))
"""A group with a member who is no user yet counts as nobody: https://github.com/juanfont/headscale/issues/3051."""


def _switches_groups_off(document: Document, instance: HeadscaleArgs) -> Iterator[str]:
    """Find groups that mean nobody until their last member has logged in."""
    version = minor_version(instance.version)
    if version is None or not _ONE_UNKNOWN_SWITCHES_OFF.is_in(version):
        return
    for name, members in section_at(document, ("groups",)).items():
        unknown = [member for member in items_of(members) if not bearers(member, instance.users)]
        if unknown:
            people = ", ".join(f"`{member}`" for member in unknown)
            yield f"Headscale 0.27 lets nobody of `{name}` in before the first login of {people}; 0.28 does not wait"


def _forgets(document: Document, instance: HeadscaleArgs) -> Iterator[str]:
    """Find declared users whom a policy names nowhere, where no rule is for everybody.

    With an identity provider a policy may name them by their id there, which nobody knows here.
    """
    rules = [rule for name in ("acls", "grants") for rule in rules_in(document, name)]
    sources = {source.strip() for rule in rules for source in items_of(rule.get("src"))}
    if (
        instance.config.oidc
        or not rules
        or any(source in _EVERYBODY or kind_of(source) in {"address", "host"} for source in sources)
    ):
        return
    named = {alias.removesuffix("@") for _, alias in users_named_in(document)}
    for name, user in sorted(instance.users.items()):
        if not named.isdisjoint({name, user.email}):
            continue
        yield f"the policy does not name `{name}`: their nodes reach nothing; add a rule for `{name}@`"


def _may_become_two(document: Document, instance: HeadscaleArgs) -> Iterator[str]:
    """Find names of users made here that somebody who logs in may have too: 0.29 refuses a name of two users."""
    oidc, version = instance.config.oidc, minor_version(instance.version)
    if oidc is None or version is None or not UNIQUE_NAMES_IN_POLICY.is_in(version):
        return
    made_here = {
        name: user
        for name, user in instance.users.items()
        if not (instance.adopt_users if user.adopt is None else user.adopt)
    }
    named = sorted({alias for _, alias in users_named_in(document) if bearers(alias, made_here)})
    if named:
        yield (
            f"the policy names {', '.join(f'`{alias}`' for alias in named)}, made here: where somebody of that name or "
            "e-mail address logs in by OIDC, Headscale finds two users, refuses the policy, and does not start again; "
            "leave people who log in out of `users`, and name them by their e-mail address or their id at the provider"
        )


def _locks_out(document: Document) -> list[str]:
    if document.get("acls") is None and document.get("grants") is None:
        # hscontrol/policy/v2/filter.go: where neither is there, everything is let through.
        return ["the policy has no `acls`: every node reaches every port of every other; `acls: []` closes everything"]
    rules = [rule for name in ("acls", "grants") for rule in rules_in(document, name)]
    if not rules:
        return ["the policy has no rule under `acls` or `grants`: no node reaches any other"]
    groups: Mapping[str, Any] = section_at(document, ("groups",))
    sources = {source for rule in rules for source in items_of(rule.get("src"))}
    warnings = []
    if not any(_is_people(source, groups) for source in sources):
        warnings.append("no rule of the policy lets a person reach anything: every admin is locked out")
    for name, members in groups.items():
        if "admin" in name and not items_of(members):
            warnings.append(f"`{name}` has no members: its admins are locked out")
        elif "admin" in name and not any(_may_be(source, name, members) for source in sources):
            warnings.append(f"no rule lets `{name}` reach anything: its admins are locked out")
    return warnings


_EVERYBODY = frozenset({"*", "autogroup:member", "autogroup:danger-all"})


def _is_people(source: str, groups: Mapping[str, Any]) -> bool:
    if source.startswith("group:"):
        return bool(items_of(groups.get(source)))
    return source not in {"autogroup:tagged", "autogroup:internet"} and not source.startswith("tag:")


def _may_be(source: str, group: str, members: list[str]) -> bool:
    """Return whether a source lets somebody of a group in: itself, everybody, a member, or an address that may be."""
    return source in {group, *_EVERYBODY, *items_of(members)} or kind_of(source) in {"address", "host"}
