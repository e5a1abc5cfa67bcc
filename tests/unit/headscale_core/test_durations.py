"""Durations as people write them."""

from datetime import timedelta

import pytest

from headscale_core.values.durations import (
    duration_seconds,
    format_duration,
    is_same_duration,
    parse_duration,
    shortest_duration,
)

GO = {
    "0": timedelta(0),
    "0s": timedelta(0),
    "1h": timedelta(hours=1),
    "1h30m": timedelta(minutes=90),
    "1.5h": timedelta(minutes=90),
    ".5h": timedelta(minutes=30),
    "1.h": timedelta(hours=1),
    "500ms": timedelta(milliseconds=500),
    "10µs": timedelta(microseconds=10),
}
DAYS = {"90d": timedelta(days=90), "1d12h": timedelta(hours=36)}
WRONG = ["", "1", "h", ".", ".h", "1 h", "-1h", "+1h", "1w", "1h-30m", "00", "٣h"]


@pytest.mark.parametrize(("text", "duration"), [*GO.items(), *DAYS.items()], ids=[*GO, *DAYS])
def test_gos_notation_and_days_are_read(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize(("text", "duration"), GO.items(), ids=GO)
def test_gos_notation_is_read_without_days(text, duration):
    assert parse_duration(text, allow_days=False) == duration


@pytest.mark.parametrize("text", WRONG)
def test_invalid_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is no duration; write a number and a unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", [*WRONG, "never", "1d12h"])
def test_what_go_refuses_is_refused_without_days(text):
    with pytest.raises(ValueError, match="is no duration of Go's"):
        parse_duration(text, allow_days=False)


def test_days_for_headscale_are_refused_with_the_hours():
    with pytest.raises(ValueError, match="write `48h`"):
        parse_duration("2d", allow_days=False)


@pytest.mark.parametrize("text", ["never", "None", "infinite"])
def test_never_is_explained(text):
    with pytest.raises(ValueError, match="every key expires"):
        parse_duration(text)


def test_a_duration_beyond_a_persons_life_is_refused():
    with pytest.raises(ValueError, match="more than a hundred years"):
        parse_duration("99999999h")


def test_more_than_go_can_count_is_refused():
    assert parse_duration("2562047h", allow_days=False) == timedelta(hours=2562047)
    with pytest.raises(ValueError, match="more than 292 years"):
        parse_duration("2562048h", allow_days=False)


def test_less_than_a_microsecond_is_not_zero():
    assert duration_seconds("1ns", allow_days=False) == 1e-9


@pytest.mark.parametrize("text", ["1h30m0s", "2m5s", "59s"])
def test_what_is_written_is_read_back(text):
    assert format_duration(parse_duration(text)) == text


SHORTEST = {
    "24h": "24h",
    "90d": "2160h",
    "90m": "1h30m",
    "1h0m1s": "1h1s",
    "1.5s": "1.5s",
    "500ms": "0.5s",
    "10us": "0.00001s",
    "0": "0s",
}


@pytest.mark.parametrize(("text", "shortest"), SHORTEST.items(), ids=SHORTEST)
def test_shortest_text_stands_for_the_same_time(text, shortest):
    assert shortest_duration(parse_duration(text)) == shortest
    assert parse_duration(shortest) == parse_duration(text)


SAME = {("24h", "1d"): True, ("1h30m", "90m"): True, ("1.5h", "90m"): True, ("24h", "25h"): False, ("x", "1d"): False}


@pytest.mark.parametrize(("texts", "same"), SAME.items(), ids=str)
def test_times_are_the_same_however_written(texts, same):
    assert is_same_duration(*texts) is same
