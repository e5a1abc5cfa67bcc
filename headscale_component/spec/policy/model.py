"""A policy: who may reach whom, in Headscale's own words."""

from __future__ import annotations

from pydantic import StrictBool

from headscale_component.spec.model import SpecModel
from headscale_component.spec.policy.sections import (
    AclSpec,
    AutoApproversSpec,
    GrantSpec,
    Names,
    NodeAttributesSpec,
    PolicyTestSpec,
    SshSpec,
    SshTestSpec,
)


class PolicySpec(SpecModel):
    """A policy in Headscale's own words, as YAML, as a HuJSON file, or as a file with sections added here.

    `autoApprovers` and `tagOwners` are added to those of the file; the other sections stand in one place alone.
    """

    file: str | None = None
    """A HuJSON file, by its path from the project's folder."""

    overwrite: StrictBool = False
    """Whether a policy that was stored by hand before is replaced, when this one is first brought up."""

    server_check: StrictBool = False
    """Whether a preview asks the running Headscale to check a changed policy without storing it, with its tests (0.29).
    Otherwise a preview connects to no Headscale. One that is not reachable is a warning."""

    groups: dict[str, Names] | None = None
    """Users by group, for example `group:admin: ["alice@"]`."""

    tag_owners: dict[str, Names] | None = None
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

    randomize_client_port: StrictBool | None = None
    """Whether clients use random ports (0.29)."""


OURS = ("file", "overwrite", "serverCheck")
"""What stands under `policy` and is not Headscale's."""
