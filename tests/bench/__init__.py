"""Benchmarks: `make bench`. Never part of the tests, whose result must not hang on a machine's speed."""
