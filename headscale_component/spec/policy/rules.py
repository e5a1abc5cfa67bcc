"""What Headscale refuses in a policy, as far as it can be known without a server.

The rules are those of Headscale's own policy engine (hscontrol/policy/v2), which tells of one mistake at a time and not
where it is; a test holds them against real servers. On top of them, users have to be declared: Headscale takes a
policy that names nobody it knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from headscale_component.spec.errors import Problem, dotted, known_keys, problems_of, unknown_key
from headscale_component.spec.networks import is_network
from headscale_component.spec.policy.aliases import UNREADABLE, kind_of
from headscale_component.spec.policy.document import Document, Version, section_at
from headscale_component.spec.policy.file import normalized, parsed
from headscale_component.spec.policy.merge import added_sections, merged_document
from headscale_component.spec.policy.model import OURS, PolicySpec
from headscale_component.spec.policy.places import kinds_at, other_versions, trims_at
from headscale_component.spec.policy.ports import port_ranges, split_destination
from headscale_component.spec.policy.references import Reference, references
from headscale_component.spec.policy.users import UsersByToken, ambiguous, names_of, users_by_token
from headscale_component.spec.policy.versions import (
    newer_parts,
    owner_cycles,
    rules_refused,
    tag_refused,
)
from headscale_component.spec.policy.written import ignored_keys, values_refused
from headscale_component.spec.user import UserSpec
from headscale_component.spec.valid_part import invalid_fields, valid_part, value_or_none
from headscale_core.values.versions import POLICY_CHECK

_PEOPLE_AND_THINGS = frozenset({"autogroup:member", "autogroup:tagged"})
_DEFINED_IN = {"group": "groups", "tag": "tagOwners", "host": "hosts"}


@dataclass(frozen=True, slots=True)
class _Known:
    """What is defined, by which the names of a policy are judged.

    Attributes:
        document: The whole policy, of the file and of the YAML.
        users: The declared users by what a policy may call them.
        names: By which names a policy may call users; None where others may come from an identity provider.
        version: Headscale's version, None where it is not known.
        invalid: Sections with invalid values, so that nobody knows what they define, or whether something is missing.
    """

    document: Document
    users: UsersByToken
    names: frozenset[str] | None
    version: Version | None
    invalid: frozenset[str] = frozenset()


def policy_problems(
    policy: PolicySpec, users: Mapping[str, UserSpec], *, version: Version | None, allow_undeclared_users: bool
) -> Iterator[Problem]:
    """Find what Headscale would refuse, and what is referred to and nobody defines.

    Args:
        policy: The `policy` of an instance, or its valid part.
        users: Its users by name.
        version: Headscale's version, None where it is not known.
        allow_undeclared_users: Whether users come from an identity provider too, whom nobody declares.
    """
    if value_or_none(policy, "server_check") and version is not None and not POLICY_CHECK.is_in(version):
        yield Problem(("serverCheck",), "needs Headscale 0.29 or newer; leave it out")
    file = policy.file
    try:
        as_written = parsed(file) if file else {}
        of_file = normalized(as_written)
        in_file = valid_part(PolicySpec, of_file)
        whole = merged_document(added_sections(in_file), added_sections(policy))
    except OSError as error:
        yield Problem(("file",), f"`{file}` cannot be read: {error.strerror}; it is sought from the project's folder")
        return
    except ValueError as error:
        yield Problem(("file",), f"`{file}` {error}")
        return
    known = _Known(
        whole,
        users_by_token(users),
        None if allow_undeclared_users else frozenset(names_of(users)),
        version,
        invalid=_invalid_sections(policy) | _invalid_sections(in_file),
    )
    for problem in (
        *ignored_keys(as_written, version),
        *_file_problems(of_file, version),
        *_part(added_sections(in_file), known),
    ):
        yield Problem(("file",), f"`{file}`, {dotted(problem.path)}: {problem.message}")
    yield from _part(added_sections(policy), known)


def _invalid_sections(policy: PolicySpec) -> frozenset[str]:
    """Return the sections that are invalid, as a whole or in one of their rules."""
    rules = {name: value for name, value in vars(policy).items() if isinstance(value, list)}
    of_rules = {name for name, found in rules.items() if any(invalid_fields(rule) for rule in found)}
    return frozenset(PolicySpec.model_fields[name].alias or name for name in invalid_fields(policy) | of_rules)


def _file_problems(document: Document, version: Version | None) -> Iterator[Problem]:
    """Check a file as the YAML is checked, but in Headscale's own spelling and JSON's own types alone."""
    sections = [key for key in known_keys(PolicySpec) if key not in OURS]
    for key in document.keys() - set(sections):
        yield Problem((key,), unknown_key(key, sections))
    written = {key: value for key, value in document.items() if key in sections}
    try:
        PolicySpec.model_validate_json(json.dumps(written), by_name=False, strict=True)
    except ValidationError as error:
        yield from problems_of(error, PolicySpec)
    else:
        yield from values_refused(written, version)


def _part(part: Document, known: _Known) -> Iterator[Problem]:
    """Check what one of both places says, by what both define."""
    newer = list(newer_parts(part, known.version))
    yield from newer
    part = {section: value for section, value in part.items() if (section,) not in {problem.path for problem in newer}}
    for reference in references(part):
        problem = _wrong_name(reference, known)
        if problem:
            yield Problem(reference.path, problem)
    yield from _wrong_definitions(part, known)
    yield from rules_refused(part, known.document, known.version, known.invalid)


def _wrong_name(reference: Reference, known: _Known) -> str | None:
    alias, place = reference.alias, reference.place
    if reference.has_ports:
        destination = split_destination(alias, known.version)
        if destination is None or port_ranges(destination[1], known.version) is None:
            return _no_ports(alias)
        alias = destination[0]
    elif trims_at(place, known.version):
        alias = alias.strip()
    problem = _not_allowed_here(alias, place, known.version) or _undefined(alias, known)
    if problem is None and kind_of(alias) == "user":
        return ambiguous(alias, known.users, known.version)
    return problem


def _no_ports(alias: str) -> str:
    if alias.startswith("["):
        return f"`{alias}` has brackets, which go around an IPv6 address alone, as `[fd7a::1]:22`; leave them out"
    if alias.endswith(":0"):
        return f"`{alias}` names port 0, which is none; write a port from 1 to 65535, or `*`"
    return f"`{alias}` has no ports; write them behind it, as `tag:web:443`, `web:80,8000-8100` or `*:*`"


def _not_allowed_here(alias: str, place: str, version: Version | None) -> str | None:
    kind, kinds = kind_of(alias), kinds_at(place, version)
    if kind in kinds:
        return tag_refused(alias, version) if kind == "tag" else None
    elsewhere = other_versions(place, kind, version)
    if kind.startswith("autogroup:"):
        groups = ", ".join(f"`{name}`" for name in sorted(kinds) if name.startswith("autogroup:"))
        choice = f"; may: {groups}" if groups else f", but {_choice(kinds)} may"
        return f"`{alias}` is no group that may stand here{elsewhere}{choice}"
    if "[" in alias and kind in {UNREADABLE, "host"}:
        bare = alias.replace("[", "").replace("]", "")
        return f"`{alias}` has brackets, which Headscale does not read here; write `{bare}`"
    if kind == "*" and kinds >= _PEOPLE_AND_THINGS:
        text = "write `autogroup:member`, and a rule of its own with `autogroup:tagged` for tagged machines"
        return f"`*` may not stand here{elsewhere}; {text}"
    return f"`{alias}` may not stand here{elsewhere}, but {_choice(kinds)} may"


def _undefined(alias: str, known: _Known) -> str | None:
    kind = kind_of(alias)
    if kind == "user" and known.names is not None and alias not in known.names:
        return f"`{alias}` is not under `users`; declare it there, with `adopt: true` where it exists already"
    section = _DEFINED_IN.get(kind)
    if section is None or section in known.invalid or alias in section_at(known.document, (section,)):
        return None
    if kind == "host" and "/" in alias:
        return f"`{alias}` is no network; write its length in bits, as `10.0.0.0/8`"
    if kind == "host" and "[" in alias:
        bare = alias.replace("[", "").replace("]", "")
        return f"`{alias}` has brackets, which go around an IPv6 address alone; write `{bare}`"
    remedy = f", or write a user as `{alias}@`" if kind == "host" else ""
    return f"`{alias}` is not under `{section}`; add it there{remedy}"


def _choice(kinds: frozenset[str]) -> str:
    examples = {
        "user": "a user (`alice@`)",
        "group": "a group (`group:admin`)",
        "tag": "a tag (`tag:ci`)",
        "host": "a host",
        "address": "an address",
        "*": "`*`",
    }
    return ", ".join(text for kind, text in examples.items() if kind in kinds)


def _wrong_definitions(document: Document, known: _Known) -> Iterator[Problem]:
    """Check the names that a policy defines."""
    yield from _wrong_tags(document, known)
    for section, prefix in (("groups", "group:"), ("tagOwners", "tag:")):
        for name in section_at(document, (section,)):
            if not name.startswith(prefix):
                yield Problem((section, name), f"begins with `{prefix}`: write `{prefix}{name}`")
    for name, network in section_at(document, ("hosts",)).items():
        if ":" in name or "@" in name:
            yield Problem(("hosts", name), "has `:` or `@` in it, as no host may; name it by letters, digits and `-`")
        if not is_network(network):
            text = f"`{network}` is no address or network; write one as `10.0.0.1`, or with its length, `10.0.0.0/8`"
            yield Problem(("hosts", name), text)
    for route in section_at(document, ("autoApprovers", "routes")):
        if not is_network(route) or "/" not in route:
            yield Problem(("autoApprovers", "routes", route), "is no network; write one as `10.0.0.0/8`")


def _wrong_tags(document: Document, known: _Known) -> Iterator[Problem]:
    owners = section_at(document, ("tagOwners",))
    for tag in owners:
        refused = tag_refused(tag, known.version) if tag.startswith("tag:") else None
        if refused:
            yield Problem(("tagOwners", tag), refused)
    if owners:
        yield from owner_cycles(section_at(known.document, ("tagOwners",)), known.version)
