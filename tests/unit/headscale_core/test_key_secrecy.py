"""That no key is printed with what holds it, and that a replaced API key is revoked in its time alone."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from headscale_core import HeadscaleClient
from headscale_core.client.models import ApiKey
from headscale_core.keys import annotations
from headscale_core.keys.api_key import clean_up
from headscale_core.keys.pre_auth_key_secret import IssuedPreAuthKey
from headscale_core.keys.secrets import StoredSecret

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "hskey-auth-" + "a" * 12 + "-" + "b" * 64
HOLDERS = {
    "a Secret": StoredSecret({"key": KEY}, {"headscale-component/key-id": "7"}),
    "a preauth key": IssuedPreAuthKey("7", KEY, NOW),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_repr_of_holder_never_shows_key(holder):
    assert KEY not in f"{holder!r} {holder}"
    assert "7" in repr(holder)


class Headscale:
    """Lists three API keys, and remembers which were deleted."""

    def __init__(self):
        self.deleted = []

    def list_api_keys(self):
        return [ApiKey(number, prefix, NOW + timedelta(days=9), NOW) for number, prefix in enumerate(("a", "b", "c"))]

    def delete_api_key(self, prefix):
        self.deleted.append(prefix)


def test_superseded_key_is_revoked_after_its_overlap_only():
    superseded = {"a": NOW - timedelta(minutes=1), "b": NOW + timedelta(minutes=1)}
    notes = {annotations.KEY_ID: "c", annotations.SUPERSEDED: annotations.format_superseded(superseded)}
    headscale = Headscale()

    clean_up(cast("HeadscaleClient", headscale), StoredSecret({"api-key": "c"}, notes), NOW)

    assert headscale.deleted == ["a"]
