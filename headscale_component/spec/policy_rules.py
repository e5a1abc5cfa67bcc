"""What Headscale refuses in a policy, as far as it can be known without a server.

The rules are those of Headscale's own policy engine (hscontrol/policy/v2), which tells of one mistake at a time and not
where it is; a test holds them against real servers. On top of them, users have to be declared: Headscale takes a
policy that names nobody it knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from headscale_component.spec.errors import Problem, dotted, problems_of, unknown_key
from headscale_component.spec.policy import OURS, Document, PolicySpec, added_sections, document_in, merged_document
from headscale_component.spec.policy_aliases import NEWER, AliasList, references
from headscale_component.spec.policy_parts import Path, Version, is_network, kind_of, rules_in, section_at
from headscale_component.spec.policy_users import ambiguous, names_of
from headscale_component.spec.policy_versions import rules_refused, tag_refused
from headscale_component.spec.user import UserSpec
from headscale_component.spec.valid_part import invalid_fields, valid_part, value_or_none
from headscale_core.values.versions import POLICY_CHECK

_SINCE_NEWER = ("grants", "nodeAttrs", "tests", "sshTests", "randomizeClientPort")
_LAST_PORT = 65535
_PROTOCOLS = frozenset(
    "icmp igmp ipv4 ip-in-ip tcp egp igp udp gre esp ah sctp ipv6-icmp fc".split()  # noqa: SIM905 - a list to read
)
_LAST_PROTOCOL = 255
_PORTS = re.compile(r"\*|\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*")


_DEFINED_IN = {"group": "groups", "tag": "tagOwners", "host": "hosts"}


@dataclass(frozen=True, slots=True)
class _Known:
    """What is defined, by which the names of a policy are judged.

    Attributes:
        document: The whole policy, of the file and of the YAML.
        users: The declared users by name.
        names: By which names a policy may call users; None where others may come from an identity provider.
        version: Headscale's version, None where it is not known.
        invalid: Sections that are invalid, so that nobody knows what they define.
    """

    document: Document
    users: Mapping[str, UserSpec]
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
        of_file = document_in(file) if file else {}
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
        users,
        None if allow_undeclared_users else frozenset(names_of(users)),
        version,
        invalid=_invalid_sections(policy) | _invalid_sections(in_file),
    )
    for problem in (*_file_problems(of_file), *_part(added_sections(in_file), known)):
        yield Problem(("file",), f"`{file}`, {dotted(problem.path)}: {problem.message}")
    yield from _part(added_sections(policy), known)


def _invalid_sections(policy: PolicySpec) -> frozenset[str]:
    return frozenset(PolicySpec.model_fields[name].alias or name for name in invalid_fields(policy))


def _file_problems(document: Document) -> Iterator[Problem]:
    """Check a file as the YAML is checked, but in Headscale's own spelling alone."""
    for key in OURS:
        if key in document:
            yield Problem((key,), unknown_key(key, ()))
    try:
        PolicySpec.model_validate({key: value for key, value in document.items() if key not in OURS}, by_name=False)
    except ValidationError as error:
        yield from problems_of(error, PolicySpec)


def _part(part: Document, known: _Known) -> Iterator[Problem]:
    """Check what one of both places says, by what both define."""
    if known.version is not None and known.version < NEWER:
        newer: list[Path] = [(section,) for section in _SINCE_NEWER if part.get(section) is not None]
        newer += [
            ("ssh", index, "acceptEnv") for index, rule in enumerate(rules_in(part, "ssh")) if "acceptEnv" in rule
        ]
        for path in newer:
            yield Problem(path, "needs Headscale 0.29 or newer; leave it out")
    for path, alias, alias_list in references(part):
        problem = _wrong_name(alias, alias_list, known)
        if problem:
            yield Problem(path, problem)
    yield from _wrong_definitions(part, known.version)
    yield from rules_refused(part, known.version)
    for section in ("acls", "tests"):
        for index, rule in enumerate(rules_in(part, section)):
            proto = str(rule.get("proto") or "tcp").lower()
            is_number = re.fullmatch(r"[1-9]\d{0,2}", proto) and int(proto) <= _LAST_PROTOCOL
            if proto not in _PROTOCOLS and not is_number:
                yield Problem((section, index, "proto"), f"`{proto}` is no protocol; write `tcp`, `udp`, `icmp`, or 6")
    for index, rule in enumerate(rules_in(part, "grants")):
        if not rule.get("ip") and not rule.get("app"):
            yield Problem(("grants", index), 'allows nothing: give `ip`, as `["443"]` or `["*"]`, or `app`')


def _wrong_name(alias: str, alias_list: AliasList, known: _Known) -> str | None:
    if alias_list.has_ports:
        host, _, ports = alias.rpartition(":")
        if not host or not _are_ports(ports):
            return f"`{alias}` has no ports; write them behind it, as `tag:web:443`, `web:80,8000-8100` or `*:*`"
        alias = host
    problem = _not_allowed_here(alias, alias_list, known.version) or _undefined(alias, known)
    if problem is None and kind_of(alias) == "user":
        return ambiguous(alias, known.users, known.version)
    return problem


def _are_ports(text: str) -> bool:
    """Return whether a text is `*`, or ports and ranges of them up to 65535."""
    if not _PORTS.fullmatch(text):
        return False
    ranges = [[int(port) for port in part.split("-")] for part in text.split(",")] if text != "*" else []
    return all(part == sorted(part) and part[-1] <= _LAST_PORT for part in ranges)


def _not_allowed_here(alias: str, alias_list: AliasList, version: Version | None) -> str | None:
    kind, _, autogroup = kind_of(alias).partition(":")
    autogroups = alias_list.autogroups_in(version)
    if kind == "autogroup" and autogroup not in autogroups:
        choice = ", ".join(f"`autogroup:{name}`" for name in sorted(autogroups)) or "none"
        return f"`{alias}` is no group that may stand here; may: {choice}"
    kinds = alias_list.kinds_in(version)
    if kind != "autogroup" and kind not in kinds:
        return f"`{alias}` may not stand here, but {_choice(kinds)} may"
    return tag_refused(alias, version) if kind == "tag" else None


def _undefined(alias: str, known: _Known) -> str | None:
    kind = kind_of(alias)
    if kind == "user" and known.names is not None and alias not in known.names:
        return f"`{alias}` is not under `users`; declare it there, with `adopt: true` where it exists already"
    section = _DEFINED_IN.get(kind)
    if section is None or section in known.invalid or alias in section_at(known.document, (section,)):
        return None
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


def _wrong_definitions(document: Document, version: Version | None) -> Iterator[Problem]:
    """Check the names that a policy defines."""
    for tag in section_at(document, ("tagOwners",)):
        refused = tag_refused(tag, version) if tag.startswith("tag:") else None
        if refused:
            yield Problem(("tagOwners", tag), refused)
    for section, prefix in (("groups", "group:"), ("tagOwners", "tag:")):
        for name in section_at(document, (section,)):
            if not name.startswith(prefix):
                yield Problem((section, name), f"begins with `{prefix}`: write `{prefix}{name}`")
    for name, network in section_at(document, ("hosts",)).items():
        if not is_network(network):
            yield Problem(("hosts", name), f"`{network}` is no address or network, as `10.0.0.0/8`")
    for route in section_at(document, ("autoApprovers", "routes")):
        if not is_network(route) or "/" not in route:
            yield Problem(("autoApprovers", "routes", route), "is no network; write one as `10.0.0.0/8`")
