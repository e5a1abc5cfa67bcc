"""Mutants: serious faults put into the product on purpose, one at a time, each of which a unit test has to notice."""
