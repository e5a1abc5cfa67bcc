"""A refresh of many resources asks Headscale a handful of questions, not one for each."""

from datetime import UTC, datetime

import pytest

from dynamic_providers.admin.channel import Channel, Settings
from dynamic_providers.kubernetes.secret_store import KubernetesSecretStore
from dynamic_providers.pre_auth_key import PreAuthKeyProvider, _desired
from dynamic_providers.user import UserProvider
from headscale_core.client.grpc_transport import GrpcTransport
from headscale_core.client.rest_transport import RestTransport
from headscale_core.keys import pre_auth_key
from tests.builders import in_a
from tests.fakes.memory import MemoryStore
from tests.integration.conftest import running

COUNT = 40


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_refresh_asks_a_handful_of_questions(tmp_path, monkeypatch, transport):
    store, calls = MemoryStore(), []
    with running("0.29", tmp_path) as headscale, headscale.client() as local:
        key = local.create_api_key(in_a(1))
        address = headscale.url if transport == "rest" else headscale.grpc_address
        channel = Channel(Settings("vpn", "ns", channel="direct", address=address, api_key=key))
        users, keys = UserProvider(), PreAuthKeyProvider()
        for provider in (users, keys):
            provider._channel = channel
        declared = []
        for number in range(COUNT):
            user = local.create_user(f"user-{number}")
            props = {
                "namespace": "ns",
                "secret_name": f"key-{number}",
                "user_id": str(user.id),
                "expiration": "1h",
                "username": user.name,
            }
            issued = pre_auth_key.create(local, store, _desired(props), datetime.now(UTC))
            declared.append(
                (str(user.id), {**props, "key": issued.text, "expires_at": issued.expires_at.isoformat()}, issued)
            )
        monkeypatch.setattr(
            KubernetesSecretStore, "all", lambda *_: {name: value for _, name, value in store.list_in_all_namespaces()}
        )
        for kind in (GrpcTransport, RestTransport):
            monkeypatch.setattr(kind, "call", _counted(kind.call, calls))

        for user_id, props, issued in declared:
            assert users.read(user_id, props).id == user_id
            seen = keys.read(issued.key_id, props)
            assert (seen.id, seen.outs.get("invalid_reason"), seen.outs.get("secret_drift")) == (
                issued.key_id,
                None,
                None,
            )
        channel.close()

    assert len(calls) <= 8, calls


def _counted(call, calls):
    def counted(self, method, request, answer):
        calls.append(method)
        return call(self, method, request, answer)

    return counted
