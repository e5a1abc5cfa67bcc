"""Keys on the fake Headscale, with a fault at every step."""

from tests.contract.test_api_keys import *  # noqa: F403 - the suite
from tests.contract.test_key_recovery import *  # noqa: F403 - the suite
from tests.contract.test_new_database import *  # noqa: F403 - the suite
from tests.contract.test_pre_auth_keys import *  # noqa: F403 - the suite
from tests.contract.test_revocation import *  # noqa: F403 - the suite
from tests.fakes.headscale_fixtures import any_headscale, headscale  # noqa: F401 - their server
