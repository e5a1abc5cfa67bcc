"""A connection that breaks while the key of an interrupted run is deleted: the retry forgets none."""

import grpc
import pytest

from dynamic_providers.failures import UserFacingError
from dynamic_providers.pre_auth_key import PreAuthKeyProvider

from .test_providers_on_the_fakes import JOIN_KEY, program  # noqa: F401 - a fixture

DELETE = "DeletePreAuthKey"


def keys_of(program):  # noqa: F811 - a fixture
    return sorted(str(id_) for id_ in program.headscale.database.keys)


@pytest.fixture
def interrupted(program):  # noqa: F811 - a fixture
    """A run that was killed after it had stored a key, and before the state was written."""
    program.client.create_user("alice")
    program.provider(PreAuthKeyProvider).create(dict(JOIN_KEY))
    program.restart()
    return program


def test_retry_leaves_only_the_stored_key(interrupted):
    refusals = [1]
    interrupted.headscale.refuse = lambda method: (
        (grpc.StatusCode.UNAVAILABLE, "gone") if method == DELETE and refusals and refusals.pop() else None
    )

    made = interrupted.provider(PreAuthKeyProvider).create(dict(JOIN_KEY))

    assert keys_of(interrupted) == [made.id]


def test_next_run_leaves_only_the_stored_key(interrupted):
    interrupted.headscale.refuse = lambda method: (
        (grpc.StatusCode.INTERNAL, "database is locked") if method == DELETE else None
    )
    with pytest.raises(UserFacingError):
        interrupted.provider(PreAuthKeyProvider).create(dict(JOIN_KEY))
    interrupted.headscale.refuse = lambda _: None
    interrupted.restart()

    made = interrupted.provider(PreAuthKeyProvider).create(dict(JOIN_KEY))

    assert keys_of(interrupted) == [made.id]
