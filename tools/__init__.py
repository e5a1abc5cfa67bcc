"""Chores of this repository that are not part of the product: `python -m tools.NAME`."""
