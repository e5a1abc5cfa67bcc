"""What a person has the engine replace (`pulumi up --replace`, a taint): it makes one, and then deletes the other.

It asks for no difference before, so that the providers find what is there already, and are then told to delete it.
"""

import contextlib

import pytest

from dynamic_providers.api_key import ApiKeyProvider
from dynamic_providers.channel import Channel, Settings
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from dynamic_providers.user import UserProvider
from tests.integration.conftest import running
from tests.integration.deaths import MemoryRecord, MemoryStore
from tests.integration.headscale_api.test_client import in_a


@pytest.fixture
def channel(tmp_path, monkeypatch):
    """A channel to a Headscale, with Secrets and the record of users in memory."""
    with running("0.28", tmp_path) as headscale, headscale.client() as local:
        settings = Settings(
            "vpn", "ns", channel="direct", address=headscale.grpc_address, api_key=local.create_api_key(in_a(1))
        )
        with contextlib.closing(Channel(settings)) as channel:
            store = MemoryStore()
            channel.record = MemoryRecord()
            monkeypatch.setattr(channel, "secrets", lambda _kind: store)
            yield channel


def a_provider(kind, channel):
    provider = kind()
    provider._channel, provider._known, provider._replaced = channel, set(), {}
    return provider


PROPS = {
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


@pytest.mark.parametrize("kind", PROPS, ids=lambda kind: kind.__name__)
def test_a_replacement_that_nobody_was_asked_about_loses_nothing(channel, kind):
    first = a_provider(kind, channel).create(dict(PROPS[kind]))
    before = there(channel)
    channel.made.clear()  # another run, in a process of its own
    provider = a_provider(kind, channel)

    second = provider.create(dict(PROPS[kind]))
    provider.delete(first.id, first.outs)

    assert second.id == first.id
    assert there(channel) == before


@pytest.mark.parametrize("kind", PROPS, ids=lambda kind: kind.__name__)
def test_what_is_deleted_by_another_run_is_deleted(channel, kind):
    nothing = there(channel)
    made = a_provider(kind, channel).create(dict(PROPS[kind]))
    channel.made.clear()
    channel.snapshot.forget()

    a_provider(kind, channel).delete(made.id, made.outs)

    assert there(channel) == nothing


def test_profile_of_an_adopted_user_changes_by_another_one(channel):
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
