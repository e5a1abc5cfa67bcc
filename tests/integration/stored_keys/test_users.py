"""Users on real headscale processes, with a fault at every step."""

from tests.contract.test_users import *  # noqa: F403 - the suite
from tests.integration.real_headscale import headscale  # noqa: F401 - its server
