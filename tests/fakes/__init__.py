"""In-process fakes of what a test does not want to start; `tests/contract` holds them to the real ones."""
