"""The bench's table: targets beside what was measured, and a word where one is missed."""

import pytest

from tests.bench.targets import missed, table

MEASURED = {
    "provider": "4.24.0",
    "bulk_floor_s": 10.0,
    "bulk_up_s": 16.0,
    "add_one_up_s": 4.4,
    "noop_up_s": 99.0,
}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"bulk_up_s": 16.1}, ["bulk_up_s"]),
        ({"add_one_up_s": 4.51, "bulk_floor_s": 9.0}, ["bulk_up_s", "add_one_up_s"]),
    ],
    ids=["at the limit", "above the floor", "two"],
)
def test_figure_above_its_target_is_missed(changes, names):
    assert missed({**MEASURED, **changes}) == names


def test_missed_figure_is_marked_beside_its_target():
    results = {**MEASURED, "add_one_up_s": 5.0}

    lines = list(table({**results, "missed": missed(results)}))

    assert lines == [
        "figure                  measured   at most",
        "provider: 4.24.0",
        "bulk_floor_s               10.00          ",
        "bulk_up_s                  16.00     16.00",
        "add_one_up_s                5.00      4.50  missed",
        "noop_up_s                  99.00          ",
        "missed: add_one_up_s",
    ]


def test_bench_that_misses_nothing_says_none():
    assert list(table({**MEASURED, "missed": missed(MEASURED)}))[-1] == "missed: none"
