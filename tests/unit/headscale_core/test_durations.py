"""Durations as people write them."""

from datetime import timedelta

import pytest

from headscale_core.values.durations import format_duration, is_same_duration, parse_duration

GOOD = {
    "1h": timedelta(hours=1),
    "1h30m": timedelta(minutes=90),
    "1.5h": timedelta(minutes=90),
    "90d": timedelta(days=90),
    "500ms": timedelta(milliseconds=500),
    "1d12h": timedelta(hours=36),
}


@pytest.mark.parametrize(("text", "duration"), GOOD.items(), ids=GOOD)
def test_gos_notation_and_days_are_read(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "-1h", "1w", "1h-30m", "٣h"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is no duration; write a number and a unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["never", "None", "infinite"])
def test_never_is_explained(text):
    with pytest.raises(ValueError, match="every key expires"):
        parse_duration(text)


def test_a_duration_beyond_a_persons_life_is_refused():
    with pytest.raises(ValueError, match="more than a hundred years"):
        parse_duration("99999999h")


@pytest.mark.parametrize("text", ["1h30m0s", "2m5s", "59s"])
def test_what_is_written_is_read_back(text):
    assert format_duration(parse_duration(text)) == text


SAME = {("24h", "1d"): True, ("1h30m", "90m"): True, ("1.5h", "90m"): True, ("24h", "25h"): False, ("x", "1d"): False}


@pytest.mark.parametrize(("texts", "same"), SAME.items(), ids=str)
def test_times_are_the_same_however_written(texts, same):
    assert is_same_duration(*texts) is same
