"""The contract of Headscale, on the fake."""

from tests.contract.test_headscale import *  # noqa: F403 - the suite
from tests.fakes.headscale_fixtures import any_headscale, headscale  # noqa: F401 - its server
