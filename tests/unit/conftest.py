"""What tests without an engine share."""

import asyncio
from pathlib import Path

import certifi
import pytest


@pytest.fixture(scope="session", autouse=True)
def _one_public_authority(tmp_path_factory):
    """Trust one public authority: each client loads all 140 before it asks anything, 15 ms that no test here needs.

    httpx takes certifi's (https://www.python-httpx.org/advanced/ssl/), OpenSSL and so kr8s those of SSL_CERT_FILE
    (https://docs.openssl.org/3.0/man3/SSL_CTX_load_verify_locations/).
    """
    bundle, end = Path(certifi.where()).read_text(), "-----END CERTIFICATE-----\n"
    authority = tmp_path_factory.mktemp("trust") / "authority.pem"
    authority.write_text(bundle[: bundle.index(end) + len(end)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(authority))
        patch.setenv("SSL_CERT_FILE", str(authority))
        yield


@pytest.fixture
def event_loop(monkeypatch):
    """A current event loop, which Outputs need, closed afterwards with those that Pulumi's mocks leave open."""
    loops, new_loop = [], asyncio.new_event_loop

    def recorded_loop():
        loops.append(new_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", recorded_loop)
    asyncio.set_event_loop(asyncio.new_event_loop())
    yield
    asyncio.set_event_loop(None)
    for loop in loops:
        # What a program left undone, or left failed, would be reported by a test that comes later.
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left and not loop.is_running():
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
