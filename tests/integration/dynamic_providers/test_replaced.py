"""What a person has the engine replace (`pulumi up --replace`, a taint): it makes one, and then deletes the other.

It asks for no difference before, and calls `create` as it does for what is new (seen on 3.274): of a user the providers
find the one that is there already, and then delete it; a key is rotated.
"""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest

from dynamic_providers.admin.channel import Channel, Settings
from dynamic_providers.admin.run_journal import RunJournal
from dynamic_providers.api_key import ApiKeyProvider
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from dynamic_providers.user import UserProvider
from headscale_core.keys.secrets import StoredSecret
from tests.builders import in_a
from tests.fakes.memory import MemoryStore, MemoryUserRegistry
from tests.integration.conftest import running


@pytest.fixture
def channel(tmp_path, monkeypatch):
    """A channel to a Headscale, with Secrets and the record of users in memory."""
    with running("0.28", tmp_path) as headscale, headscale.client() as local:
        settings = Settings(
            "vpn", "ns", channel="direct", address=headscale.grpc_address, api_key=local.create_api_key(in_a(1))
        )
        with contextlib.closing(Channel(settings)) as channel:
            store = MemoryStore()
            monkeypatch.setattr(channel, "user_registry", MemoryUserRegistry())
            for owner, name in ((channel, "secrets"), (channel.lists, "_secrets")):
                monkeypatch.setattr(owner, name, lambda _kind: store)
            yield channel


def a_provider(kind, channel):
    provider = kind()
    provider._channel = channel
    return provider


PROPS: dict[type, dict[str, Any]] = {
    UserProvider: {"username": "alice"},
    PreAuthKeyProvider: {"namespace": "ns", "secret_name": "key", "tags": ["tag:a"], "expiration": "1h", "owner": "k"},
    ApiKeyProvider: {
        "namespace": "ns",
        "secret_name": "key",
        "expiration": "1h",
        "rotation_buffer": "1m",
        "overlap": "0s",
        "owner": "k",
    },
}


def there(channel):
    with channel.session() as client:
        keys = [key.prefix for key in client.list_api_keys()]
        return client.list_users(), client.list_pre_auth_keys(), sorted(keys), dict(channel.secrets("any").secrets)


def test_a_replaced_user_loses_nothing(channel):
    props = PROPS[UserProvider]
    first = a_provider(UserProvider, channel).create(dict(props))
    before = there(channel)
    provider = another_run(channel, UserProvider)

    second = provider.create(dict(props))
    provider.delete(first.id, first.outs)

    assert second.id == first.id
    assert there(channel) == before


def another_run(channel, kind):
    """Return a provider of another process, which remembers nothing."""
    channel.journal = RunJournal()
    channel.lists.invalidate()
    return a_provider(kind, channel)


KEYS = pytest.mark.parametrize("kind", [PreAuthKeyProvider, ApiKeyProvider], ids=lambda kind: kind.__name__)


def keys_there(channel):
    _, pre_auth_keys, api_keys, _ = there(channel)
    return {str(key.id) for key in pre_auth_keys} | {*api_keys}


def names_in(result):
    """Return the names in Headscale's lists of the key that a result is about."""
    return {result.outs["prefix"]} if "prefix" in result.outs else {result.id}


@KEYS
@pytest.mark.parametrize("runs", [1, 2], ids=["one run", "killed before the deletion"])
def test_a_replaced_key_is_rotated_in_its_secret(channel, kind, runs):
    nothing = keys_there(channel)
    other = a_provider(kind, channel).create({**PROPS[kind], "secret_name": "other", "owner": "o"})
    first = a_provider(kind, channel).create(dict(PROPS[kind]))
    before = channel.secrets("any").secrets["ns", "key"].data
    provider = another_run(channel, kind)

    second = provider.create(dict(PROPS[kind]))
    if runs > 1:
        provider = another_run(channel, kind)
    provider.delete(first.id, first.outs)

    assert second.id != first.id
    assert keys_there(channel) - nothing == names_in(second) | names_in(other)
    secret = channel.secrets("any").secrets["ns", "key"]
    assert secret.data != before
    assert provider.diff(second.id, second.outs, dict(PROPS[kind])).changes is False
    seen = provider.read(second.id, second.outs)
    assert (seen.id, seen.outs.get("not_found"), seen.outs.get("invalid_reason")) == (second.id, None, None)


@KEYS
def test_a_killed_runs_key_is_revoked(channel, kind):
    nothing = there(channel)
    a_provider(kind, channel).create(dict(PROPS[kind]))

    kept = another_run(channel, kind).create(dict(PROPS[kind]))

    assert len(keys_there(channel)) == 1 + len(nothing[2])
    another_run(channel, kind).delete(kept.id, kept.outs)
    assert there(channel) == nothing


def test_a_replaced_api_key_stays_for_the_overlap(channel):
    props = {**PROPS[ApiKeyProvider], "overlap": "5m"}
    first = a_provider(ApiKeyProvider, channel).create(dict(props))
    provider = another_run(channel, ApiKeyProvider)

    second = provider.create(dict(props))
    provider.delete(first.id, first.outs)

    assert names_in(first) | names_in(second) <= keys_there(channel)
    assert second.outs["superseded"] == [first.outs["prefix"]]
    assert datetime.fromisoformat(second.outs["revoke_at"]) > datetime.now(UTC)


def test_an_api_key_of_before_is_replaced(channel):
    props = PROPS[ApiKeyProvider]
    first = a_provider(ApiKeyProvider, channel).create(dict(props))
    store = channel.secrets("any")
    made = store.read("ns", "key")
    notes = {name: text for name, text in made.annotations.items() if not name.endswith("/first-key")}
    store.write("ns", "key", StoredSecret(made.data, notes))
    provider = another_run(channel, ApiKeyProvider)

    second = provider.create(dict(props))
    provider.delete("ns/key", first.outs)

    assert names_in(second) <= keys_there(channel)
    assert store.read("ns", "key") is not None
    another_run(channel, ApiKeyProvider).delete(second.id, second.outs)
    assert store.read("ns", "key") is None


@pytest.mark.parametrize("kind", PROPS, ids=lambda kind: kind.__name__)
def test_what_is_deleted_by_another_run_is_deleted(channel, kind):
    nothing = there(channel)
    made = a_provider(kind, channel).create(dict(PROPS[kind]))
    channel.journal = RunJournal()
    channel.lists.invalidate()

    a_provider(kind, channel).delete(made.id, made.outs)

    assert there(channel) == nothing


def test_adopted_user_with_changed_profile_is_replaced(channel):
    """`adopt: 1` never makes a user, and the one that it names makes way here."""
    with channel.session() as client:
        made = client.create_user("alice", email="a@example.com")
    declared = {"username": "alice", "adopt": str(made.id)}
    state = a_provider(UserProvider, channel).create(dict(declared))
    news = {**declared, "email": "b@example.com"}
    provider = a_provider(UserProvider, channel)
    assert provider.diff(state.id, state.outs, news).replaces == ["email"]

    provider.create(dict(news))

    with channel.session() as client:
        assert [(user.name, user.email) for user in client.list_users()] == [("alice", "b@example.com")]
