"""Notes on an instance that is valid: what hardly anybody wants without knowing.

A note fails nothing, has a name of its own, and is not shown where `silence` has that name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headscale_component.spec.config_notes import config_notes
from headscale_component.spec.instance_name import name_note
from headscale_component.spec.note import Note
from headscale_component.spec.policy import policy_document
from headscale_component.spec.policy.document import rules_in
from headscale_component.spec.policy.warnings import policy_warnings
from headscale_component.versions import NEWEST_HEADSCALE, is_newer_than_known

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs


def notes_on(instance: HeadscaleArgs, name: str) -> list[Note]:
    """Return the notes on a valid instance, without those that it silences.

    Args:
        instance: The instance.
        name: Its name in the cluster.
    """
    sources = (_on_version, config_notes, _on_prefixes, _on_records, _on_policy, _on_keys)
    found = [*name_note(name), *(note for source in sources for note in source(instance))]
    return [note for note in found if note.name not in instance.silence]


def _on_version(instance: HeadscaleArgs) -> Iterator[Note]:
    if is_newer_than_known(instance.version):
        newest = ".".join(map(str, NEWEST_HEADSCALE))
        text = f"Headscale {instance.version} is newer than what is known here; it is configured as {newest} is"
        yield Note("version-not-known", (), text)


def _on_prefixes(instance: HeadscaleArgs) -> Iterator[Note]:
    """Find a family of addresses that is not written where the other is: Headscale itself would leave it out.

    Source: https://github.com/juanfont/headscale/blob/v0.28.0/hscontrol/types/config.go, `prefixV4` and `prefixV6`.
    """
    prefixes = instance.config.prefixes
    written = prefixes.model_fields_set & {"v4", "v6"}
    if len(written) != 1:
        return
    (missing,) = {"v4", "v6"} - written
    text = (
        f"is not written and `{getattr(prefixes, missing)}` by default, where Headscale itself gives nodes no address "
        f"of that family; write it out, or `{missing}: null` for none"
    )
    yield Note("address-family-added", ("config", "prefixes", missing), text)


def _on_records(instance: HeadscaleArgs) -> Iterator[Note]:
    """Find records for which not every node asks the tailnet.

    Clients send it the names below `base_domain` and the split domains, and all others only where it is their resolver
    for everything: `compileConfig` in https://github.com/tailscale/tailscale/blob/main/net/dns/manager.go.
    """
    dns = instance.config.dns
    domain, split = dns.base_domain, tuple(dns.nameservers.split)
    if not isinstance(domain, str) or (dns.nameservers.global_ and dns.override_local_dns in {None, True}):
        return
    for index, record in enumerate(dns.extra_records or ()):
        name = record.name
        if isinstance(name, str) and not any(f".{name}".endswith(f".{one}") for one in (domain, *split) if one):
            text = (
                f"`{name}` is not below `base_domain`, `{domain}`, and nodes ask the tailnet for such names only with "
                f"`override_local_dns`; name it below `{domain}`, or let nodes ask for everything"
            )
            yield Note("record-outside-base-domain", ("config", "dns", "extra_records", index, "name"), text)


def _on_policy(instance: HeadscaleArgs) -> Iterator[Note]:
    if instance.policy is None or instance.config.policy.mode != "database":
        return
    document = policy_document(instance.policy)
    locked_out = policy_warnings(document)
    for text in policy_warnings(document, instance):
        yield Note("policy-locks-out" if text in locked_out else "policy-users", (), text)
    for section in ("tests", "sshTests"):
        if rules_in(document, section):
            text = (
                "Headscale refuses a policy with a test of users or tags that have no node yet, so such tests are "
                "left out until nodes have joined; the next `pulumi up --refresh` adds them"
            )
            yield Note("policy-tests-need-nodes", ("policy", section), text)


def _on_keys(instance: HeadscaleArgs) -> Iterator[Note]:
    for name, key in instance.pre_auth_keys.items():
        if key.ephemeral and not key.reusable:
            text = (
                "is ephemeral and not reusable: when its one node has gone, none can join with it any more; write "
                "`reusable: true` where nodes come and go"
            )
            yield Note("ephemeral-not-reusable", ("preAuthKeys", name), text)
