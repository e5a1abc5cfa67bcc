"""The contract of Headscale, on real processes: what the fake of the unit tests is held to."""

from tests.contract.test_headscale import *  # noqa: F403 - the suite
from tests.integration.real_headscale import any_headscale, headscale  # noqa: F401 - its server
