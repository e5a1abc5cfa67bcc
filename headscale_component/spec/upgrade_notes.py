"""What means something else to a newer Headscale, though it takes it: by the version from which on that is so.

Source: https://github.com/juanfont/headscale/blob/main/CHANGELOG.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headscale_component.spec.errors import Path
from headscale_component.spec.note import Note
from headscale_component.spec.note_names import NoteName
from headscale_component.spec.policy import policy_document
from headscale_component.spec.policy.upgrade import read_otherwise
from headscale_core.values.versions import HeadscaleVersion

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

_V0_26, _V0_27, _V0_28, _V0_29 = (HeadscaleVersion(0, minor) for minor in range(26, 30))


@dataclass(frozen=True, slots=True)
class UpgradeNote:
    """A note on an upgrade.

    Attributes:
        since: The first minor version that it is about, as `0.29`; empty where it is about every version.
        note: The note.
    """

    since: str
    note: Note


def upgrade_notes(instance: HeadscaleArgs) -> list[UpgradeNote]:
    """Return the notes on upgrades that end in what is declared, without those that it silences.

    Args:
        instance: The instance, with the version to go to, valid under it or under the one before.
    """
    found = (*_of_all(), *_on_image(instance), *_on_expiry(instance), *_on_proxies(instance), *_on_policy(instance))
    return [one for one in found if one.note.name not in instance.silence]


def _of_all() -> Iterator[UpgradeNote]:
    texts: tuple[tuple[str, NoteName, str], ...] = (
        (
            "0.27",
            "upgrade-clients",
            "0.27 rewrites the SQLite schema at its first start; back the volume up. Clients: 1.64 and newer",
        ),
        (
            "0.28",
            "upgrade-clients",
            "0.28 tells tags and users apart, and stores keys as hashes. Clients: 1.74 and newer",
        ),
        (
            "0.29",
            "upgrade-clients",
            "0.29 refuses to go back to 0.28 or to skip a version; back the volume up. Clients: 1.80 and newer",
        ),
        (
            "0.29",
            "upgrade-metrics",
            "0.29 has no metrics `headscale_http_*`, and `headscale_nodestore_nodes` without `_total`; change alerts",
        ),
    )
    for since, name, text in texts:
        yield UpgradeNote(since, Note(name, (), text))


def _on_image(instance: HeadscaleArgs) -> Iterator[UpgradeNote]:
    if "@" in instance.image:
        text = (
            "is pinned by a digest, which `version` does not change; write the digest of the image of "
            f"{instance.version}, or the name alone"
        )
        yield UpgradeNote("", Note("upgrade-image-digest", ("image",), text))


def _on_expiry(instance: HeadscaleArgs) -> Iterator[UpgradeNote]:
    """Find logins that stop expiring: `oidc.expiry` was 180d by default, `node.expiry` is never."""
    oidc = instance.config.oidc
    if oidc is None or oidc.use_expiry_from_token is True or "expiry" in instance.config.node.model_fields_set:
        return
    before = oidc.expiry if isinstance(oidc.expiry, str) else "180d"
    text = (
        f"is not written: from 0.29 on, OIDC logins never expire, which earlier versions let expire after {before}; "
        f'write `{before}` with 0.29, which is for all nodes, or `"0"` for never'
    )
    yield UpgradeNote("0.29", Note("upgrade-oidc-expiry", ("config", "node", "expiry"), text))


def _on_proxies(instance: HeadscaleArgs) -> Iterator[UpgradeNote]:
    if not instance.config.trusted_proxies:
        text = (
            "0.29 believes `X-Forwarded-For` and its like only from `config.trusted_proxies`; name your proxies there"
        )
        yield UpgradeNote("0.29", Note("upgrade-addresses", (), text))


def _on_policy(instance: HeadscaleArgs) -> Iterator[UpgradeNote]:
    if instance.policy is None:
        return
    document = policy_document(instance.policy)
    for before, since in ((_V0_26, _V0_27), (_V0_27, _V0_28), (_V0_28, _V0_29)):
        places: dict[str, list[Path]] = {}
        for problem in read_otherwise(document, before, since):
            places.setdefault(problem.message, []).append(problem.path)
        for text, paths in places.items():
            more = f" ({len(paths) - 1} more like it)" if len(paths) > 1 else ""
            yield UpgradeNote(str(since), Note("upgrade-policy", ("policy", *paths[0]), text + more))
