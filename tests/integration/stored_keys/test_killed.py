"""Keys against a real Headscale, with the process killed at every step: nothing is lost, nothing leaks."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from dynamic_providers.rules import pre_auth_key
from headscale_api import Unauthenticated
from headscale_api.stored_keys import api_key
from headscale_api.stored_keys.store import StoredSecret


class Killed(BaseException):
    """The process ended here; no handler of ours runs."""


class MemoryStore:
    """Secrets in memory."""

    def __init__(self):
        self.secrets = {}

    def read(self, namespace, name):
        return self.secrets.get((namespace, name))

    def write(self, namespace, name, secret):
        self.secrets[namespace, name] = StoredSecret(dict(secret.data), dict(secret.annotations))

    def delete(self, namespace, name):
        self.secrets.pop((namespace, name), None)


class Mortal:
    """Passes calls on, and dies after so many that change something."""

    CHANGES = ("create_", "delete_", "expire_", "write", "delete")

    def __init__(self, inner, life):
        self._inner, self._life = inner, life

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        if not callable(method) or not name.startswith(self.CHANGES):
            return method

        def call(*arguments, **options):
            if self._life[0] == 0:
                raise Killed
            self._life[0] -= 1
            result = method(*arguments, **options)
            if self._life[0] == 0:
                raise Killed
            return result

        return call


def lives(run):
    """Run something with ever longer lives, until one is long enough."""
    for steps in count(1):
        life = [steps]
        try:
            run(steps, life)
        except Killed:
            yield steps
        else:
            if life[0] > 0:
                return


WANTED = api_key.Wanted("ns", "key", "1h", "10m")


def usable(client):
    return [key.prefix for key in client.list_api_keys() if key.expiration > datetime.now(UTC)]


def test_an_api_key_whose_making_is_killed_anywhere_is_one_key_after_the_next_run(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        died = 0
        for _ in lives(
            lambda _, life: api_key.create(Mortal(client, life), Mortal(store, life), WANTED, datetime.now(UTC))
        ):
            died += 1
            held = api_key.create(client, store, WANTED, datetime.now(UTC))
            api_key.finish(client, store, WANTED)
            assert usable(client) == [held.prefix]
            api_key.delete(client, store, held.prefix, "ns", "key")
            assert (usable(client), store.secrets) == ([], {})
        assert died >= 3


def test_a_rotation_that_is_killed_anywhere_leaves_one_key_and_the_secret_never_holds_a_dead_one(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        api_key.create(client, store, WANTED, datetime.now(UTC))
        died = 0

        def rotate(_, life):
            api_key.rotate(Mortal(client, life), Mortal(store, life), WANTED, datetime.now(UTC), old=None)

        for _ in lives(rotate):
            died += 1
            assert opens(headscale, store.read("ns", "key").data["api-key"])
            api_key.finish(client, store, WANTED)
            (prefix,) = usable(client)
            assert prefix == api_key.current(client, store.read("ns", "key")).prefix
        assert died >= 4


def opens(headscale, key):
    with headscale.remote(key) as remote:
        try:
            remote.list_users()
        except Unauthenticated:
            return False
    return True


def test_twenty_rotations_never_fail_a_consumer_that_reads_the_secret(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        api_key.create(client, store, WANTED, datetime.now(UTC))
        for _ in range(20):
            before = store.read("ns", "key").data["api-key"]
            api_key.rotate(client, store, WANTED, datetime.now(UTC), old=None)
            after = store.read("ns", "key").data["api-key"]
            assert (opens(headscale, after), opens(headscale, before)) == (True, False)
        assert len(client.list_api_keys()) == 1


def test_a_key_that_a_new_volume_does_not_know_is_not_taken_for_a_working_one(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        held = api_key.create(client, store, WANTED, datetime.now(UTC))
        client.delete_api_key(held.prefix)

        assert api_key.current(client, store.read("ns", "key")) is None
        assert api_key.create(client, store, WANTED, datetime.now(UTC)).prefix != held.prefix


def test_an_edited_secret_is_noticed(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        api_key.create(client, store, WANTED, datetime.now(UTC))
        stored = store.read("ns", "key")
        edited = StoredSecret({**stored.data, "api-key": stored.data["api-key"][:-1] + "x"}, stored.annotations)

        assert api_key.current(client, edited) is None


def a_key(**changes):
    declared = {
        "namespace": "ns",
        "secret_name": "laptop",
        "user_id": "1",
        "expiration": "1h",
        "reusable": False,
        "ephemeral": False,
        "tags": (),
    }
    return pre_auth_key.Wanted(**{**declared, **changes})


def test_a_preauth_key_whose_making_is_killed_anywhere_is_one_key_after_the_next_run(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        died = 0
        for _ in lives(
            lambda _, life: pre_auth_key.create(Mortal(client, life), Mortal(store, life), a_key(), datetime.now(UTC))
        ):
            died += 1
            held = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))
            assert [key.id for key in client.list_pre_auth_keys()] == [held.key.id]
            assert store.read("ns", "laptop").data == {"key": held.key.key}
            pre_auth_key.delete(client, store, str(held.key.id), "ns", "laptop")
            assert (client.list_pre_auth_keys(), store.secrets) == ([], {})
        assert died >= 3


def test_a_replacement_is_in_the_secret_before_the_old_key_goes_and_the_secret_stays(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))
        new = pre_auth_key.create(client, store, a_key(reusable=True), datetime.now(UTC), held=[str(old.key.id)])
        assert len(client.list_pre_auth_keys()) == 2

        pre_auth_key.delete(client, store, str(old.key.id), "ns", "laptop")

        assert [key.id for key in client.list_pre_auth_keys()] == [new.key.id]
        assert store.read("ns", "laptop").data == {"key": new.key.key}


def test_a_replacement_of_the_same_kind_is_never_the_key_that_is_replaced(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))

        new = pre_auth_key.create(client, store, a_key(), datetime.now(UTC), held=[str(old.key.id)])

        assert new.key.id != old.key.id


def test_a_key_that_headscale_refuses_leaves_no_secret(headscale):
    with headscale.client() as client:
        store = MemoryStore()

        with pytest.raises(Exception, match="user not found"):
            pre_auth_key.create(client, store, a_key(user_id="99"), datetime.now(UTC))

        assert store.secrets == {}


def test_a_key_that_is_over_is_not_taken_for_a_good_one(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))

        later = datetime.now(UTC) + timedelta(hours=2)
        assert pre_auth_key.create(client, store, a_key(), later).key.id != old.key.id
