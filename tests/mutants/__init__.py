"""Mutants: faults put into the code one at a time, each of which a unit test has to notice."""
