"""What all levels share: which tests may run at once, and how Hypothesis draws."""

import os

from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

ON_THE_CLUSTER = ("tests/lab/", "tests/e2e/")

# The same examples in each run, so that a result depends on the change alone; the nightly run draws new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("random", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


class OneWorkerForTheCluster(LoadScopeScheduling):
    """Gives one worker all that needs the cluster, in order, and the others the rest, a file at a time.

    Fixtures of a module start processes, so a file is not split
    (https://pytest-xdist.readthedocs.io/en/stable/how-to.html).
    """

    def _split_scope(self, nodeid):
        return "cluster" if nodeid.startswith(ON_THE_CLUSTER) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config, log):
    return OneWorkerForTheCluster(config, log)
