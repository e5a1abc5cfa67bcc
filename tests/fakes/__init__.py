"""In-process stand-ins for what a test does not want to start; `tests/contract` holds them to the real ones."""
