"""Calls that come at once to a Headscale that has just started: none waits for another one for ever."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from headscale_component.spec.config.database import GormConfig
from tests.builders import in_a
from tests.integration.conftest import running

STARTS = 10


@pytest.mark.parametrize("version", ["0.28", "0.29"])
def test_concurrent_calls_with_defaults_all_succeed(version, tmp_path):
    """With `prepare_stmt`, which Headscale's example has on, a third of the starts hang here."""
    for start in range(STARTS):
        folder = tmp_path / str(start)
        folder.mkdir()
        sqlite = {"path": str(folder / "db.sqlite")}
        database = {"type": "sqlite", "gorm": GormConfig().model_dump(), "sqlite": sqlite}
        with running(version, folder, "rest", database=database) as headscale, headscale.client() as client:
            client.create_user("alice")
            with ThreadPoolExecutor(10) as threads:
                answers = [threads.submit(client.list_users, user_id=1) for _ in range(4)]
                answers += [threads.submit(client.create_pre_auth_key, user_id=1, expiration=in_a(1)) for _ in range(4)]
                answers += [threads.submit(client.create_api_key, in_a(1)) for _ in range(2)]

            assert all(answer.result() for answer in answers)
