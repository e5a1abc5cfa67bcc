"""A database that is replaced while the sidecar runs on, on real Headscales."""

import pytest

from headscale_core.policy.deny_all import DENY_ALL
from tests.integration.conftest import VERSIONS
from tests.integration.sidecars import eventually

from .test_deny_all import OPEN, policy_of, ready, serve, sidecar_of  # noqa: F401 - fixtures


@pytest.mark.parametrize("version", VERSIONS)
def test_replaced_database_is_closed_by_running_sidecar(serve, sidecar_of, version):  # noqa: F811 - fixtures
    headscale = serve(version)
    with headscale.client() as client:
        client.set_policy(OPEN)
    ready(sidecar_of(headscale))
    headscale.stop()
    for file in headscale.directory.glob("db.sqlite*"):
        file.unlink()
    headscale.start()
    assert headscale.filter()

    # It tries its key twice a minute.
    eventually("closed", lambda: policy_of(headscale) == DENY_ALL, 60)

    assert not headscale.filter()
