"""A policy: who may reach whom, in Headscale's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from headscale_component.spec.model import SpecModel
from headscale_core.values import hujson

Document = dict[str, Any]


class AutoApproversSpec(SpecModel):
    """Who may offer routes and exit nodes without anybody's approval."""

    routes: dict[str, list[str]] = Field(default_factory=dict)
    """Tags, groups or users by route, for example `10.0.0.0/8: ["tag:router"]`."""

    exit_node: list[str] = Field(default_factory=list)
    """Tags, groups or users whose nodes may be exit nodes."""


class AclSpec(SpecModel):
    """Who may reach which ports."""

    action: Literal["accept"]
    """What is done: Headscale knows `accept` alone, and everything else is closed."""

    proto: str | int | None = None
    """The protocol, by name or number, for example `tcp`; default: TCP, UDP and ICMP."""

    src: list[str]
    """Who: users, groups, tags, hosts, addresses, `autogroup:member`, `autogroup:tagged`, `*`."""

    dst: list[str]
    """What, with ports: `tag:web:443`, `10.0.0.0/8:22,80-90`, `*:*`."""

    @model_validator(mode="before")
    @classmethod
    def _without_notes(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        """Pass over keys that begin with `#`, as Headscale does: headscale-admin keeps notes in them."""
        if isinstance(data, Mapping):
            return {key: value for key, value in data.items() if not str(key).startswith("#")}
        return data


class GrantSpec(SpecModel):
    """Who may reach what, in newer words (0.29)."""

    src: list[str]
    """Who: as in `acls`."""

    dst: list[str]
    """What, without ports."""

    ip: list[str] | None = None
    """Which ports, for example `443` or `udp:53`."""

    app: dict[str, list[Any]] | None = None
    """Which capabilities of applications."""

    via: list[str] | None = None
    """Through which tagged routers."""


class SshSpec(SpecModel):
    """Who may log in where by Tailscale SSH."""

    action: Literal["accept", "check"]
    """`accept`, or `check`: after another login."""

    src: list[str]
    """Who: users, groups, tags, `autogroup:member`."""

    dst: list[str]
    """Where: users, tags, `autogroup:self`."""

    users: list[str]
    """As which users of the machine, for example `root` or `autogroup:nonroot`."""

    check_period: str | None = None
    """How long a login is good for, with `check`."""

    accept_env: list[str] | None = None
    """Which variables are passed on (0.29)."""


class NodeAttributesSpec(SpecModel):
    """Attributes of nodes (0.29)."""

    target: list[str]
    """Which nodes: users, groups, tags, `*`."""

    attr: list[str] | None = None
    """Which attributes."""

    ip_pool: list[str] | None = None
    """From which networks they get addresses."""


class PolicyTestSpec(SpecModel):
    """What the policy has to allow and deny (0.29)."""

    src: str
    """Who."""

    proto: str | int | None = None
    """By which protocol: `tcp`, `udp` or `sctp`."""

    accept: list[str] | None = None
    """What has to be reached, with a port."""

    deny: list[str] | None = None
    """What must not be reached, with a port."""


class SshTestSpec(SpecModel):
    """What the policy has to allow and deny of SSH (0.29)."""

    src: str
    """Who."""

    dst: list[str]
    """Where."""

    accept: list[str] | None = None
    """As which users of the machine they have to get in."""

    deny: list[str] | None = None
    """As which users they must not get in."""

    check: list[str] | None = None
    """As which users they have to get in after another login."""


class PolicySpec(SpecModel):
    """A policy in Headscale's own words, as YAML, as a HuJSON file, or as a file with sections added here.

    `autoApprovers` and `tagOwners` are added to those of the file; the other sections stand in one place alone.
    """

    file: str | None = None
    """A HuJSON file, by its path from the project's folder."""

    overwrite: bool = False
    """Whether a policy that was stored by hand before is replaced, when this one is first brought up."""

    server_check: bool = False
    """Whether a preview asks the running Headscale to check a changed policy without storing it, with its tests (0.29).
    Otherwise a preview connects to no Headscale. One that is not reachable is a warning."""

    groups: dict[str, list[str]] | None = None
    """Users by group, for example `group:admin: ["alice@"]`."""

    tag_owners: dict[str, list[str]] | None = None
    """Who may give a tag to nodes, by tag; a tag has to stand here to be used."""

    hosts: dict[str, str] | None = None
    """Names for addresses and networks."""

    acls: list[AclSpec] | None = None
    """Who may reach which ports: `{action: accept, src: [...], dst: ["tag:web:443"]}`."""

    grants: list[GrantSpec] | None = None
    """The same in newer words (0.29): `{src: [...], dst: [...], ip: ["443"]}`."""

    ssh: list[SshSpec] | None = None
    """Who may log in where by Tailscale SSH."""

    auto_approvers: AutoApproversSpec | None = None
    """Who may offer routes and exit nodes without anybody's approval."""

    node_attrs: list[NodeAttributesSpec] | None = None
    """Attributes of nodes (0.29)."""

    tests: list[PolicyTestSpec] | None = None
    """What the policy has to allow and deny; Headscale refuses it otherwise (0.29)."""

    ssh_tests: list[SshTestSpec] | None = None
    """The same for SSH (0.29)."""

    randomize_client_port: bool | None = None
    """Whether clients use random ports (0.29)."""


OURS = ("file", "overwrite", "serverCheck")
"""What stands under `policy` and is not Headscale's."""

_OUR_FIELDS = {name for name, field in PolicySpec.model_fields.items() if (field.alias or name) in OURS}

_MERGED = ("tagOwners", "autoApprovers")


def policy_text(spec: PolicySpec) -> str:
    """Return the policy as Headscale is to store it; a file that nothing is added to keeps its comments."""
    if spec.file and not added_sections(spec):
        return Path(spec.file).read_text()
    return json.dumps(policy_document(spec), indent=2)


def added_sections(spec: PolicySpec) -> Document:
    """Return what stands in the stack itself, beside the file, under Headscale's own names.

    Args:
        spec: The policy, or its valid part.
    """
    return spec.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True, exclude=_OUR_FIELDS, warnings=False)


def policy_document(spec: PolicySpec) -> Document:
    """Return the whole policy as Headscale reads it: the file, and what is added to it.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is no HuJSON, or a section stands in both places.
    """
    return merged_document(document_in(spec.file) if spec.file else {}, added_sections(spec))


def merged_document(of_file: Document, added: Document) -> Document:
    """Return a file's policy with the sections that are added to it.

    Raises:
        ValueError: When a section stands in both places that only may stand in one.
    """
    document = dict(of_file)
    for name, section in added.items():
        if name in document and name not in _MERGED:
            raise ValueError(f"has `{name}` already; keep one of them")
        document[name] = _merged(document.get(name), section)
    return document


def document_in(file: str) -> Document:
    """Return the policy that a file holds.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is no HuJSON, or no object.
    """
    document = hujson.parse(Path(file).read_text(encoding="utf-8-sig"))
    if not isinstance(document, dict):
        raise ValueError("holds no policy: write an object, `{...}`")  # noqa: TRY004 - the file's value is wrong
    return {name: _section_spelt_as_here(name, section) for name, section in _spelt_as_here(document).items()}


def _section_spelt_as_here(name: str, section: Any) -> Any:  # noqa: ANN401 - parts of a document
    if isinstance(section, list):
        return [_spelt_as_here(rule) if isinstance(rule, dict) else rule for rule in section]
    return _spelt_as_here(section) if name == "autoApprovers" and isinstance(section, dict) else section


def _spelt_as_here(keys: Document) -> Document:
    """Return an object as Headscale reads it: it minds no capitals (`ACLs`, `Action`), and null is nothing."""
    return {_KNOWN.get(str(key).lower(), key): value for key, value in keys.items() if value is not None}


_RULES = (AclSpec, GrantSpec, SshSpec, NodeAttributesSpec, PolicyTestSpec, SshTestSpec)
_KNOWN = {
    name.lower(): name
    for model in (PolicySpec, AutoApproversSpec, *_RULES)
    for name in (field.alias or key for key, field in model.model_fields.items())
    if name not in OURS
}
"""The keys of a policy and its rules, by their small letters."""


def _merged(of_file: Any, added: Any) -> Any:  # noqa: ANN401 - parts of a document
    """Return both parts of a section: keys of both, and items of both where a key is in both."""
    if isinstance(of_file, dict) and isinstance(added, dict):
        return {key: _merged(of_file.get(key), added.get(key)) for key in {**of_file, **added}}
    if isinstance(of_file, list) and isinstance(added, list):
        return [*of_file, *(item for item in added if item not in of_file)]
    return of_file if added is None else added
