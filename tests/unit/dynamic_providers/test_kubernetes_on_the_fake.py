"""The contract of Kubernetes, on the fake."""

from tests.contract.test_kubernetes import *  # noqa: F403 - the suite
from tests.fakes.kubernetes_fixtures import *  # noqa: F403 - its server
