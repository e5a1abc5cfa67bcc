"""A policy: who may reach whom, in Headscale's own words."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from headscale_api import hujson
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.model import SpecModel

Document = dict[str, Any]
Rule = dict[str, Any]


class AutoApproversSpec(SpecModel):
    """Who may offer routes and exit nodes without anybody's approval."""

    routes: dict[str, list[str]] = Field(default_factory=dict)
    """Tags, groups or users by route, for example `10.0.0.0/8: ["tag:router"]`."""

    exit_node: list[str] = Field(default_factory=list)
    """Tags, groups or users whose nodes may be exit nodes."""


class PolicySpec(SpecModel):
    """A policy in Headscale's own words, as YAML, as a HuJSON file, or as a file with sections added here.

    `autoApprovers` and `tagOwners` are added to those of the file; the other sections stand in one place alone.
    """

    file: str | None = None
    """A HuJSON file, by its path from the project's folder."""

    overwrite: bool = False
    """Whether a policy that somebody else stored before is replaced, when this one is first brought up."""

    groups: dict[str, list[str]] | None = None
    """Users by group, for example `group:admin: ["alice@"]`."""

    tag_owners: dict[str, list[str]] | None = None
    """Who may give a tag to nodes, by tag; a tag has to stand here to be used."""

    hosts: dict[str, str] | None = None
    """Names for addresses and networks."""

    acls: list[Rule] | None = None
    """Who may reach which ports: `{action: accept, src: [...], dst: ["tag:web:443"]}`."""

    grants: list[Rule] | None = None
    """The same in newer words (0.29): `{src: [...], dst: [...], ip: ["443"]}`."""

    ssh: list[Rule] | None = None
    """Who may log in where by Tailscale SSH."""

    auto_approvers: AutoApproversSpec | None = None
    """Who may offer routes and exit nodes without anybody's approval."""

    node_attrs: list[Rule] | None = None
    """Attributes of nodes (0.29)."""

    tests: list[Rule] | None = None
    """What the policy has to allow and deny; Headscale refuses it otherwise (0.29)."""

    ssh_tests: list[Rule] | None = None
    """The same for SSH (0.29)."""

    randomize_client_port: bool | None = None
    """Whether clients use random ports (0.29)."""


_OURS = ("file", "overwrite")
_MERGED = ("tagOwners", "autoApprovers")


def policy_text(spec: PolicySpec) -> str:
    """Return the policy as Headscale is to store it; a file that nothing is added to keeps its comments."""
    written = spec.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
    if spec.file and not written.keys() - {*_OURS}:
        return Path(spec.file).read_text()
    return json.dumps(document_of(written), indent=2)


def document_of(written: Mapping[str, Any]) -> Document:
    """Return the whole policy that a person wrote: the file, and what is added to it.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is no HuJSON, or a section stands in both places.
    """
    sections = {_camel(str(key)): value for key, value in written.items() if value is not None}
    sections = {key: value for key, value in sections.items() if key not in _OURS}
    if not written.get("file"):
        return sections
    document = hujson.parse(Path(written["file"]).read_text())
    if not isinstance(document, dict):
        raise ValueError("holds no policy: write an object, `{...}`")  # noqa: TRY004 - the file's value is wrong
    for name, section in sections.items():
        if name in document and name not in _MERGED:
            raise ValueError(f"has `{name}` already; keep one of them")
        document[name] = _merged(document.get(name), section)
    return document


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _merged(of_file: Any, added: Any) -> Any:  # noqa: ANN401 - parts of a document
    """Return both parts of a section: keys of both, and items of both where a key is in both."""
    if isinstance(of_file, dict) and isinstance(added, dict):
        return {key: _merged(of_file.get(key), added.get(key)) for key in {**of_file, **added}}
    if isinstance(of_file, list) and isinstance(added, list):
        return [*of_file, *(item for item in added if item not in of_file)]
    return of_file if added is None else added


def policy_problems(
    written: Mapping[str, Any], users: Mapping[str, Any], *, others_may_come: bool
) -> Iterator[Problem]:
    """Find what a policy refers to and nobody defines.

    Args:
        written: The `policy` of an instance as it was written.
        users: Its users by name, as they were written.
        others_may_come: Whether users come from an identity provider too, whom nobody declares.
    """
    try:
        document = document_of(written)
    except OSError as error:
        yield Problem(
            ("file",),
            f"`{written.get('file')}` cannot be read: {error.strerror}; it is sought from the project's folder",
        )
        return
    except ValueError as error:
        yield Problem(("file",), f"`{written.get('file')}` {error}")
        return
    names = {f"{name}@" for name in users} | {str(name) for name in users if "@" in str(name)}
    emails = {user.get("email") for user in users.values() if isinstance(user, Mapping)}
    known_users = None if others_may_come else names | emails
    for path, alias in _references(document):
        problem = _undefined(alias, document, known_users)
        if problem:
            yield Problem(path, problem)


def policy_warnings(document: Document) -> list[str]:
    """Return what a policy does that nobody wants without knowing: locking everybody out."""
    rules = [rule for name in ("acls", "grants") for rule in _rules(document, name)]
    if not rules:
        return ["the policy has no `acls` or `grants`: no node reaches any other"]
    groups = _mapping(document.get("groups"))
    sources = {str(source) for rule in rules for source in _items(rule.get("src"))}
    warnings = []
    if not any(_is_people(source, groups) for source in sources):
        warnings.append("no rule of the policy lets a person reach anything: every admin is locked out")
    for name, members in groups.items():
        if "admin" in name and not _items(members):
            warnings.append(f"`{name}` has no members: its admins are locked out")
        elif "admin" in name and name not in sources and "*" not in sources:
            warnings.append(f"no rule lets `{name}` reach anything: its admins are locked out")
    return warnings


def _is_people(source: str, groups: Mapping[str, Any]) -> bool:
    if source.startswith("group:"):
        return bool(_items(groups.get(source)))
    return source == "*" or source.startswith("autogroup:") or "@" in source


def _references(document: Document) -> Iterator[tuple[tuple[PathPart, ...], str]]:
    """Yield each name that a policy refers to, with its place."""
    for section, strip in (("acls", _without_ports), ("grants", str), ("ssh", str)):
        for index, rule in enumerate(_rules(document, section)):
            yield from _listed((section, index, "src"), rule.get("src"))
            for path, alias in _listed((section, index, "dst"), rule.get("dst")):
                yield path, strip(alias)
    approvers = _mapping(document.get("autoApprovers"))
    for path, lists in (
        (("groups",), document.get("groups")),
        (("tagOwners",), document.get("tagOwners")),
        (("autoApprovers", "routes"), approvers.get("routes")),
        (("autoApprovers",), {"exitNode": approvers.get("exitNode")}),
    ):
        for name, members in _mapping(lists).items():
            yield from _listed((*path, name), members)


def _listed(path: tuple[PathPart, ...], names: object) -> Iterator[tuple[tuple[PathPart, ...], str]]:
    for place, alias in enumerate(_items(names)):
        yield (*path, place), str(alias)


def _undefined(alias: str, document: Document, users: set[Any] | None) -> str | None:
    if alias == "*" or alias.startswith("autogroup:") or _is_address(alias):
        return None
    for prefix, section in (("group:", "groups"), ("tag:", "tagOwners")):
        if alias.startswith(prefix):
            return (
                None
                if alias in _mapping(document.get(section))
                else f"`{alias}` is not under `{section}`; add it there"
            )
    if "@" in alias:
        if users is None or alias in users:
            return None
        return f"`{alias}` is not under `users`; declare it there, with `adopt: true` where it exists already"
    if alias in _mapping(document.get("hosts")):
        return None
    return f"`{alias}` is not under `hosts`; add it there, or write a user as `{alias}@`"


def _without_ports(destination: str) -> str:
    return destination.rpartition(":")[0] or destination


def _is_address(alias: str) -> bool:
    try:
        ipaddress.ip_network(alias.strip("[]"), strict=False)
    except ValueError:
        return False
    return True


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _rules(document: Document, section: str) -> list[Mapping[str, Any]]:
    return [rule for rule in _items(document.get(section)) if isinstance(rule, Mapping)]
