"""The key that a connection by `pod` creates for the moment."""

import pytest

from dynamic_providers.admin.connection_dialer import created_key
from dynamic_providers.errors import ChannelError

PRINTED = {"0.29": ('"hskey-api-abc-def"', "hskey-api-abc-def"), "0.30": ('{"apiKey": "hskey"}', "hskey")}
WRONG = ["", "no JSON: hskey-api-secret", "{}", "[]", "null", '""', '{"apiKey": {"secret": 1}}']


@pytest.mark.parametrize(("printed", "key"), PRINTED.values(), ids=PRINTED)
def test_printed_key_is_found(printed, key):
    assert created_key(printed) == key


@pytest.mark.parametrize("printed", WRONG)
def test_other_output_is_refused_and_not_shown(printed):
    with pytest.raises(ChannelError, match="printed no API key") as caught:
        created_key(printed)

    assert "secret" not in str(caught.value)
