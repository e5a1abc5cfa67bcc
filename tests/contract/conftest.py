"""The suites have no server of their own: they are collected where they are imported."""

collect_ignore_glob = ["test_*.py"]
