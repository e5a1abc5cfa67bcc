"""What the two providers of keys read from the state and write into it."""

from datetime import UTC, datetime, timedelta

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.output import Unknown

from dynamic_providers import api_key, pre_auth_key
from dynamic_providers.api_key import ApiKey, ApiKeyProvider
from dynamic_providers.api_key_state import ApiKeyInputs, ApiKeyOutputs
from dynamic_providers.key_secret import KeyInputs, duration_of
from dynamic_providers.pre_auth_key import PreAuthKey, PreAuthKeyInputs, PreAuthKeyOutputs
from headscale_core.keys.api_key_secret import IssuedApiKey
from headscale_core.keys.pre_auth_key_secret import IssuedPreAuthKey

NOW = datetime.now(UTC)
API_KEY = {"namespace": "ns", "secret_name": "s", "expiration": "90d", "rotation_buffer": "240h"}
PRE_AUTH_KEY = {"namespace": "ns", "secret_name": "s", "user_id": "1", "expiration": "1d"}
KINDS = {
    "API key": (ApiKey, ApiKeyInputs, ApiKeyOutputs, api_key._INPUTS, api_key._COMPUTED),
    "preauth key": (PreAuthKey, PreAuthKeyInputs, PreAuthKeyOutputs, pre_auth_key._INPUTS, pre_auth_key._COMPUTED),
}


def configured(kind):
    provider = kind()
    provider.configure(ConfigureRequest(Config({"headscale:instance": "vpn", "headscale:namespace": "ns"}, "project")))
    return provider


@pytest.mark.parametrize(("resource", "inputs", "outputs", "compared", "computed"), KINDS.values(), ids=KINDS)
def test_state_has_a_documented_shape(resource, inputs, outputs, compared, computed):
    assert set(inputs.__annotations__) == set(compared)
    assert set(computed) <= set(outputs.__annotations__)
    assert set(computed) <= set(resource.__annotations__), "an output that is no attribute cannot be read"
    for name in (*compared, *computed):
        assert f"{name}: " in f"{inputs.__doc__}{KeyInputs.__doc__}{outputs.__doc__}"


def test_durations_become_times_where_the_state_is_read():
    desired = api_key._desired({**API_KEY, "overlap": None}, "ns/s/abc")

    assert (desired.expiration, desired.rotation_buffer) == (timedelta(days=90), timedelta(days=10))
    assert (desired.overlap, desired.first) == (timedelta(0), "abc")
    assert pre_auth_key._desired(PRE_AUTH_KEY).expiration == timedelta(days=1)


def test_durations_in_the_state_stay_text():
    issued = IssuedApiKey("abc", NOW, NOW, {"old": NOW})

    assert api_key._outputs(API_KEY, issued) == {
        **API_KEY,
        "prefix": "abc",
        "expires_at": NOW.isoformat(),
        "created_at": NOW.isoformat(),
        "revoke_at": NOW.isoformat(),
        "superseded": ["old"],
    }
    assert pre_auth_key._outputs(PRE_AUTH_KEY, IssuedPreAuthKey("7", "text", NOW)) == {
        **PRE_AUTH_KEY,
        "key": "text",
        "expires_at": NOW.isoformat(),
    }


@pytest.mark.parametrize("value", [None, Unknown()], ids=["not given", "not known"])
def test_duration_that_is_not_there_is_none(value):
    assert duration_of(value) is None


def test_unknown_rotation_buffer_is_previewed():
    olds = {**API_KEY, "expires_at": (NOW + timedelta(days=40)).isoformat()}

    result = configured(ApiKeyProvider).diff("ns/s/abc", olds, {**API_KEY, "rotation_buffer": Unknown()})

    assert (result.changes, result.replaces) == (True, [])


def test_superseded_key_is_revoked_when_due():
    olds = {**API_KEY, "expires_at": (NOW + timedelta(days=40)).isoformat()}
    due, waiting = ({**olds, "revoke_at": (NOW + timedelta(hours=left)).isoformat()} for left in (-1, 1))

    changes = [configured(ApiKeyProvider).diff("ns/s/abc", state, API_KEY).changes for state in (due, waiting, olds)]

    assert changes == [True, False, False]
