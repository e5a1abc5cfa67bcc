"""Users on the fake Headscale, with a fault at every step."""

from tests.contract.test_users import *  # noqa: F403 - the suite
from tests.fakes.headscale_fixtures import headscale  # noqa: F401 - its server
