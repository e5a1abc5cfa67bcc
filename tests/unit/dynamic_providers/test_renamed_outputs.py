"""States of earlier versions, which have some outputs under other names, are taken as they are."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pulumi
import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers.api_key import ApiKeyProvider, _first_given
from dynamic_providers.kubernetes.secret_store import KubernetesSecretStore
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from dynamic_providers.renamed_outputs import under_present_names
from dynamic_providers.user import UserProvider
from headscale_core import ApiKey, PreAuthKey, User
from headscale_core.client.models import api_key_prefix
from headscale_core.keys import api_key_secret

NOW = datetime.now(UTC)
API_KEY = {"namespace": "ns", "secret_name": "s", "expiration": "90d", "rotation_buffer": "240h", "overlap": "1h"}
API_KEY_STATE = {
    **API_KEY,
    "prefix": "new",
    "expires_at": (NOW + timedelta(days=40)).isoformat(),
    "created_at": NOW.isoformat(),
    "__provider": "pickled",
}
WAITING = (NOW + timedelta(hours=9)).isoformat()
PRE_AUTH_KEY = {"namespace": "ns", "secret_name": "s", "user_id": "1", "expiration": "1d", "reusable": True}
PRE_AUTH_KEY_STATE = {
    **PRE_AUTH_KEY,
    "key": "hskey-auth-abc-def",
    "expires_at": (NOW + timedelta(hours=9)).isoformat(),
    "__provider": "pickled",
}
USER = {"username": "ada", "adopt": "5"}
PROFILE = {"email": "ada@example.com"}

API_KEYS = (ApiKeyProvider, API_KEY, API_KEY_STATE)
PRE_AUTH_KEYS = (PreAuthKeyProvider, PRE_AUTH_KEY, PRE_AUTH_KEY_STATE)
DIFFERENCES = {
    "API key, lost": (*API_KEYS, {"is_lost": True}, {"not_found": True}, (True, [])),
    "API key, waiting": (
        *API_KEYS,
        {"retire_at": WAITING, "replaced": ["old"]},
        {"revoke_at": WAITING, "superseded": ["old"]},
        (False, []),
    ),
    "API key, to be revoked": (
        *API_KEYS,
        {"retire_at": NOW.isoformat(), "replaced": ["old"]},
        {"revoke_at": NOW.isoformat(), "superseded": ["old"]},
        (True, []),
    ),
    "preauth key, deleted": (
        *PRE_AUTH_KEYS,
        {"ended": "deleted"},
        {"invalid_reason": "deleted"},
        (True, ["expires_at"]),
    ),
    "preauth key, expired manually": (
        *PRE_AUTH_KEYS,
        {"ended": "ended by hand"},
        {"invalid_reason": "expired manually"},
        (True, ["expires_at"]),
    ),
    "preauth key, used": (*PRE_AUTH_KEYS, {"ended": "used"}, {"invalid_reason": "used"}, (False, [])),
    "preauth key, Secret edited": (*PRE_AUTH_KEYS, {"secret_is_wrong": True}, {"secret_drift": True}, (True, [])),
    "user, not declared": (
        UserProvider,
        USER,
        {**USER, "user_id": "5"},
        {"undeclared": PROFILE},
        {"unmanaged_profile": PROFILE},
        (False, []),
    ),
    "user, declared as it is": (
        UserProvider,
        {**USER, **PROFILE},
        {**USER, "user_id": "5"},
        {"undeclared": PROFILE},
        {"unmanaged_profile": PROFILE},
        (False, []),
    ),
}


def configured(kind):
    provider = kind()
    provider.configure(ConfigureRequest(Config({"headscale:instance": "vpn", "headscale:namespace": "ns"}, "project")))
    return provider


@pytest.mark.parametrize("case", DIFFERENCES.values(), ids=DIFFERENCES)
def test_state_under_old_names_differs_as_before(case):
    kind, declared, state, old, new, expected = case
    results = [configured(kind).diff("ns/s/new", {**state, **outputs}, declared) for outputs in (old, new)]

    assert [(result.changes, result.replaces or []) for result in results] == [expected, expected]


@pytest.fixture
def api_keys(monkeypatch):
    """A provider whose cluster holds a key that superseded another one, its state, and Headscale's keys."""
    provider, text = configured(ApiKeyProvider), "hskey-api-newprefix123-" + "x" * 64
    prefix, created_at = api_key_prefix(text), NOW.replace(microsecond=0)
    expires_at = datetime.fromisoformat(API_KEY_STATE["expires_at"])
    desired = api_key_secret.DesiredApiKey("ns", "s", timedelta(days=90), timedelta(days=10))
    superseded = {"old": datetime.fromisoformat(WAITING)}
    stored = api_key_secret.secret_for(text, expires_at, created_at, desired, superseded)
    listed = [ApiKey(1, prefix, expires_at, NOW)]
    monkeypatch.setattr(provider.channel.lists, "api_keys", lambda: listed)
    monkeypatch.setattr(provider.channel.lists, "stored", lambda *_: stored)
    return provider, {**API_KEY_STATE, "prefix": prefix, "created_at": created_at.isoformat()}, listed


def test_refresh_of_superseded_api_key_keeps_state(api_keys):
    provider, state, _ = api_keys
    old = {**state, "retire_at": WAITING, "replaced": ["old"]}

    assert provider.read("ns/s", old).outs == old


def test_refresh_of_lost_api_key_keeps_state(api_keys):
    provider, state, listed = api_keys
    listed.clear()
    old = {**state, "is_lost": True}

    assert provider.read("ns/s", old).outs == old
    assert provider.read("ns/s", state).outs["not_found"] is True


def test_refresh_of_found_api_key_clears_loss(api_keys):
    provider, state, _ = api_keys

    found = provider.read("ns/s", {**state, "is_lost": True}).outs

    assert (found.get("is_lost"), found.get("not_found"), found["superseded"]) == (None, None, ["old"])


PRE_AUTH_KEYS_FOUND = {
    "deleted": (None, {"ended": "deleted"}, {"invalid_reason": "deleted"}),
    "expired manually": (
        NOW - timedelta(minutes=1),
        {"ended": "ended by hand"},
        {"invalid_reason": "expired manually"},
    ),
    "Secret edited": (
        datetime.fromisoformat(str(PRE_AUTH_KEY_STATE["expires_at"])),
        {"secret_is_wrong": True},
        {"secret_drift": True},
    ),
}


@pytest.mark.parametrize(("expiration", "old", "new"), PRE_AUTH_KEYS_FOUND.values(), ids=PRE_AUTH_KEYS_FOUND)
def test_refresh_of_preauth_key_keeps_state(monkeypatch, expiration, old, new):
    provider = configured(PreAuthKeyProvider)
    found = PreAuthKey(
        7, "hskey-auth-abc-***", None, reusable=True, ephemeral=False, used=False, expiration=expiration, created_at=NOW
    )
    monkeypatch.setattr(provider.channel.lists, "pre_auth_keys", lambda: {"7": found} if expiration else {})
    monkeypatch.setattr(provider.channel.lists, "stored", lambda *_: None)

    assert provider.read("7", {**PRE_AUTH_KEY_STATE, **old}).outs == {**PRE_AUTH_KEY_STATE, **old}
    assert new.items() <= provider.read("7", PRE_AUTH_KEY_STATE).outs.items()


def test_refresh_of_adopted_user_keeps_state(monkeypatch):
    provider = configured(UserProvider)
    monkeypatch.setattr(provider.channel.lists, "users", lambda: {"5": User(5, "ada", email=PROFILE["email"])})
    old = {**USER, "user_id": "5", "created_at": "", "undeclared": PROFILE}

    read = provider.read("5", old)

    assert (read.outs, read.inputs) == (old, USER)


def test_update_of_api_key_writes_present_names():
    olds = {**API_KEY_STATE, "retire_at": WAITING, "replaced": ["old"]}

    outs = configured(ApiKeyProvider).update("ns/s/new", olds, {**API_KEY, "rotation_buffer": "9d"}).outs

    assert (outs["revoke_at"], outs["superseded"]) == (WAITING, ["old"])
    assert not {"retire_at", "replaced"} & set(outs)


def test_update_of_preauth_key_writes_present_names():
    olds = {**PRE_AUTH_KEY_STATE, "ended": "used"}

    outs = configured(PreAuthKeyProvider).update("7", olds, {**PRE_AUTH_KEY, "renew_before": "1h"}).outs

    assert (outs.get("ended"), outs["invalid_reason"]) == (None, "used")


def test_update_of_edited_secret_restores_it(monkeypatch):
    written = []
    monkeypatch.setattr(KubernetesSecretStore, "read", lambda *_: None)
    monkeypatch.setattr(KubernetesSecretStore, "write", lambda *given: written.append(given[-1]))

    outs = (
        configured(PreAuthKeyProvider).update("7", {**PRE_AUTH_KEY_STATE, "secret_is_wrong": True}, PRE_AUTH_KEY).outs
    )

    assert [secret.data for secret in written] == [{"key": PRE_AUTH_KEY_STATE["key"]}]
    assert not {"secret_is_wrong", "secret_drift"} & set(outs)


def test_update_of_adopted_user_writes_present_name():
    olds = {**USER, "user_id": "5", "created_at": "", "undeclared": PROFILE}

    outs = configured(UserProvider).update("5", olds, {**USER, "force_delete": True}).outs

    assert outs["unmanaged_profile"] == PROFILE
    assert "undeclared" not in outs


@pytest.mark.parametrize("name", ["replaced", "superseded"])
def test_deletion_revokes_superseded_keys_too(monkeypatch, name):
    provider = configured(ApiKeyProvider)
    revoked = []
    monkeypatch.setattr("dynamic_providers.api_key.rules.delete", lambda *given: revoked.append(given[-1]))
    monkeypatch.setattr(provider.channel, "change", lambda **_: contextlib.nullcontext())

    provider.delete("ns/s/new", {**API_KEY_STATE, name: ["old"]})

    assert revoked == [["new", "old"]]


@pytest.mark.parametrize("values", [(None, "old"), ("new", None), ("new", "old")], ids=str)
def test_program_reads_output_by_either_name(values):
    async def found():
        return await _first_given(*map(pulumi.Output.from_input, values)).future()

    assert asyncio.run(found()) == (values[0] or "old")


def test_other_outputs_keep_their_names():
    assert under_present_names({"a": 1, "b": 2}, {"b": "c"}) == {"a": 1, "c": 2}
