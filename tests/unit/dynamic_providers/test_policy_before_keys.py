"""No preauth key is created while the policy that the stack declares is not stored."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from dynamic_providers import provider as provider_module
from dynamic_providers.failures import UserFacingError
from dynamic_providers.policy import PolicyProvider
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from headscale_core import HeadscaleClient
from tests.fakes.headscale import FakeHeadscale

POLICY = {"policy": '{"acls": []}'}
OTHER = {"policy": '{"acls": [], "hosts": {"a": "10.0.0.1"}}'}


def a_key(name="runner"):
    return {"namespace": "headscale", "secret_name": name, "expiration": "1h", "reusable": True, "tags": ["tag:ci"]}


@pytest.fixture(params=["0.28", "0.29"])
def headscale(request):
    with FakeHeadscale(request.param) as server:
        yield server


@pytest.fixture
def providers(direct, headscale, monkeypatch):
    """The providers of the policy and of keys, in one process."""
    monkeypatch.setattr(provider_module, "_channels", {})
    monkeypatch.setattr("pulumi.log.warn", lambda _text: None)
    settings, made = direct(headscale), (PolicyProvider(), PreAuthKeyProvider())
    for provider in made:
        provider.configure(settings)
    yield made
    made[0].channel.close()


def stored_keys(headscale):
    with HeadscaleClient.over_unix_socket(headscale.socket_path) as local:
        return len(local.list_pre_auth_keys())


def test_key_is_refused_after_policy_was_cleared(headscale, providers):
    policy, keys = providers
    policy.diff("policy", POLICY, POLICY)

    for _ in range(2):
        with pytest.raises(UserFacingError, match=r"headscale/runner .*pulumi up --refresh`, which stores it again"):
            keys.create(a_key())

    assert stored_keys(headscale) == 0
    assert headscale.calls.count("GetPolicy") == 1


def test_key_is_created_after_refresh(headscale, providers):
    policy, keys = providers
    read = policy.read("policy", POLICY)
    assert policy.diff("policy", read.outs, POLICY).changes

    policy.update("policy", read.outs, POLICY)
    before = headscale.calls.count("GetPolicy")
    keys.create(a_key())

    assert headscale.database.policy == POLICY["policy"]
    assert (stored_keys(headscale), headscale.calls.count("GetPolicy") - before) == (1, 0)


def test_stored_policy_is_asked_for_once(headscale, providers):
    policy, keys = providers
    headscale.database.policy = POLICY["policy"]
    policy.diff("policy", POLICY, POLICY)

    with ThreadPoolExecutor() as pool:
        list(pool.map(keys.create, map(a_key, ("a", "b", "c", "d"))))

    assert stored_keys(headscale) == 4
    assert headscale.calls.count("GetPolicy") == 1


def test_policy_stored_by_this_run_needs_no_call(headscale, providers):
    policy, keys = providers
    policy.create(POLICY)
    before = headscale.calls.count("GetPolicy")

    keys.create(a_key())

    assert headscale.calls.count("GetPolicy") == before


@pytest.mark.parametrize("declared", [None, {}], ids=["no resource", "no policy"])
def test_key_without_declared_policy_asks_nothing(headscale, providers, declared):
    policy, keys = providers
    if declared is not None:
        policy.diff("policy", {}, declared)

    keys.create(a_key())

    assert (stored_keys(headscale), headscale.calls.count("GetPolicy")) == (1, 0)


def test_changed_policy_that_is_refused_confirms_nothing(headscale, providers):
    policy, keys = providers
    policy.diff("policy", POLICY, OTHER)
    headscale.refuse = lambda method: (grpc.StatusCode.INVALID_ARGUMENT, "no") if method == "SetPolicy" else None
    with pytest.raises(UserFacingError):
        policy.update("policy", POLICY, OTHER)

    with pytest.raises(UserFacingError, match="no policy stored"):
        keys.create(a_key())


def test_lost_connection_is_no_answer(headscale, providers):
    policy, keys = providers
    headscale.database.policy = POLICY["policy"]
    policy.diff("policy", POLICY, POLICY)
    failures = [(grpc.StatusCode.UNAVAILABLE, "closing")]
    headscale.refuse = lambda method: failures.pop() if method == "GetPolicy" and failures else None

    keys.create(a_key())

    assert stored_keys(headscale) == 1
