"""Streaks and windows as of a day, against the plainest way to count them."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.streaks import ActiveDays
from progress_worker.http.api.presentation_over_time import streaks_by_day
from progress_worker.http.api.windows import Range, Window, last_days, span

START = dt.date(2024, 2, 20)
OFFSETS = st.integers(0, 40)


def day(offset: int) -> dt.date:
    return START + dt.timedelta(days=offset)


@given(st.sets(OFFSETS), OFFSETS, OFFSETS)
def test_streaks_by_day_are_those_that_would_have_been_read_then(
    active: set[int], first: int, last: int
) -> None:
    days = ActiveDays()
    for offset in active:
        days.add(day(offset))
    expected = []
    for offset in range(first, last + 1):
        then = ActiveDays()
        for earlier in active:
            if earlier <= offset:
                then.add(day(earlier))
        expected.append((then.current(day(offset)), then.longest))
    assert list(streaks_by_day(days, Window(day(first), day(last)))) == expected


@given(st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1)), st.integers(1, 366))
def test_what_is_read_spans_the_window_in_any_zone(moment: dt.datetime, days: int) -> None:
    now = moment.replace(tzinfo=dt.UTC)
    read = span(days, now)
    for hours in (-12, -11, 0, 13, 14):
        local = now.astimezone(dt.timezone(dt.timedelta(hours=hours))).date()
        window = last_days(days, local)
        assert window.first in read
        assert window.last in read
        asked = Range(days=days)
        assert asked.window(local) == window
        assert asked.span(now) == read
