"""Keys that were noted while Headscale did not run are known again by every version, and no others are."""

from datetime import UTC, datetime, timedelta

from headscale_core import api_key_prefix
from headscale_core.keys import revocation
from headscale_core.keys.annotations import unique_expiration
from headscale_core.keys.pre_auth_key_secret import IssuedPreAuthKey
from headscale_core.keys.revocation import PendingRevocation


def test_only_recorded_keys_are_revoked(any_headscale):
    now = datetime.now(UTC)
    ends = [unique_expiration(now, timedelta(hours=1)) for _ in range(3)]
    with any_headscale.client() as client:
        user = client.create_user("alice")
        ours, unwritten, others = (client.create_pre_auth_key(user_id=user.id, expiration=end) for end in ends)
        texts = [client.create_api_key(end) for end in ends]
        issued = IssuedPreAuthKey(str(ours.id), ours.key, ends[0])
        notes = revocation.of_pre_auth_key(None, issued)
        notes |= {
            PendingRevocation("preauth-key", "", ends[1]),
            PendingRevocation("preauth-key", str(others.id), ends[0]),
        }
        notes |= {
            PendingRevocation("api-key", api_key_prefix(texts[0]), None),
            PendingRevocation("api-key", "", ends[1]),
        }

        for _ in range(2):
            revocation.revoke(client, [PendingRevocation.parse(str(note)) for note in notes])

        good = {key.id for key in client.list_pre_auth_keys() if key.expiration and key.expiration > datetime.now(UTC)}
        assert good == {others.id}
        assert {key.prefix for key in client.list_api_keys()} == {api_key_prefix(texts[2])}
        assert unwritten.id not in good
