"""A policy: who may reach whom, in Headscale's own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headscale_component.spec.errors import known_keys
from headscale_component.spec.model import SpecModel
from headscale_component.spec.policy_sections import (
    AclSpec,
    AutoApproversSpec,
    GrantSpec,
    NodeAttributesSpec,
    PolicyTestSpec,
    SshSpec,
    SshTestSpec,
)
from headscale_core.values import hujson

Document = dict[str, Any]


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
        return _text_in(spec.file) or "{}"
    # Headscale reads some names without their escapes: `"tag:\\u00e9"` is another tag than `tag:é` to it.
    return json.dumps(policy_document(spec), indent=2, ensure_ascii=False)


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
    text = _text_in(file)
    document = hujson.parse(text) if text else None
    if document is None:
        return {}  # an empty file, and `null`, say nothing, which Headscale takes
    if not isinstance(document, dict):
        raise ValueError("holds no policy: write an object, `{...}`")  # noqa: TRY004 - the file's value is wrong
    sections = _spelt_as_here(document, PolicySpec)
    return {name: _section_spelt_as_here(name, section) for name, section in sections.items()}


def _text_in(file: str) -> str:
    """Return a file as it is, its line ends too.

    Raises:
        OSError: When it cannot be read.
        ValueError: When it is not in UTF-8.
    """
    try:
        return Path(file).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not in UTF-8, from byte {error.start} on; save it as UTF-8") from None


def _section_spelt_as_here(name: str, section: Any) -> Any:  # noqa: ANN401 - parts of a document
    if name == "autoApprovers" and isinstance(section, dict):
        return _spelt_as_here(section, AutoApproversSpec)
    if name in _RULES and isinstance(section, list):
        return [_spelt_as_here(rule, _RULES[name]) if isinstance(rule, dict) else rule for rule in section]
    return section


def _spelt_as_here(keys: Document, model: type[SpecModel]) -> Document:
    """Return an object as Headscale reads it, and without what is null, but where it does not read null.

    It minds no capitals, hyphens and underscores (`ACLs`, `tag_owners`):
    https://pkg.go.dev/github.com/go-json-experiment/json#MatchCaseInsensitiveNames.

    Raises:
        ValueError: When two keys are one to Headscale.
    """
    known = {_folded(name): name for name in known_keys(model) if name not in OURS}
    found: Document = {}
    written: dict[str, str] = {}
    for key, value in keys.items():
        name = known.get(_folded(key), key)
        if name in written:
            raise ValueError(f"has `{written[name]}` and `{key}` in one object, which are one key; keep one of them")
        written[name] = key
        if value is not None or name not in known.values() or name in NEVER_NULL:
            found[name] = value
    return found


def _folded(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


NEWER_SECTIONS = ("grants", "nodeAttrs", "tests", "sshTests", "randomizeClientPort")
"""What 0.29 brought: https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/types.go#L2083."""
NEVER_NULL = frozenset({"proto", "checkPeriod", "acceptEnv", *NEWER_SECTIONS})
"""Keys that some version refuses also where they are null; elsewhere null is as if nothing was written."""
_RULES: dict[str, type[SpecModel]] = {
    "acls": AclSpec,
    "grants": GrantSpec,
    "ssh": SshSpec,
    "nodeAttrs": NodeAttributesSpec,
    "tests": PolicyTestSpec,
    "sshTests": SshTestSpec,
}


def _merged(of_file: Any, added: Any) -> Any:  # noqa: ANN401 - parts of a document
    """Return both parts of a section: keys of both, and items of both where a key is in both."""
    if isinstance(of_file, dict) and isinstance(added, dict):
        return {key: _merged(of_file.get(key), added.get(key)) for key in {**of_file, **added}}
    if isinstance(of_file, list) and isinstance(added, list):
        return [*of_file, *(item for item in added if item not in of_file)]
    return of_file if added is None else added
