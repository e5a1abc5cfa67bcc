"""Benchmarks: `make bench`. Never part of the tests, whose result must not depend on a machine's speed."""
