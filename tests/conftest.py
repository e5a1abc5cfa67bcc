"""What all levels share: which tests may run at once, and how Hypothesis draws.

`make test` runs two workers. Everything that needs the cluster is one group, so one worker has the cluster for itself
while the other runs the rest, a module at a time, since fixtures of a module start processes
(https://pytest-xdist.readthedocs.io/en/stable/distribution.html).
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
ON_THE_CLUSTER = (HERE / "lab", HERE / "e2e")

# The same examples in each run, so that a change is judged by its own merit; the nightly run draws new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("random", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.hookimpl(tryfirst=True)  # before the plug-in reads the groups
def pytest_collection_modifyitems(items):
    for item in items:
        on_the_cluster = any(item.path.is_relative_to(folder) for folder in ON_THE_CLUSTER)
        group = "cluster" if on_the_cluster else str(item.path.relative_to(HERE))
        item.add_marker(pytest.mark.xdist_group(group))
