"""Sets of days against a calendar of days."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.streaks import ActiveDays
from tests.naive import longest_streak, runs


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 14)), max_size=60),
    st.integers(-2, 18),
)
def test_active_days_against_a_calendar_of_days(steps: list[tuple[bool, int]], today: int) -> None:
    first = dt.date(2026, 2, 20)
    active, calendar = ActiveDays(), set[dt.date]()
    for adding, offset in steps:
        day = first + dt.timedelta(days=offset)
        changed = active.add(day) if adding else active.remove(day)
        assert changed == ((day in calendar) is not adding)
        if adding:
            calendar.add(day)
        else:
            calendar.discard(day)
        assert active.runs == runs(calendar)
        assert active.longest == longest_streak(calendar)
        assert (day in active) == (day in calendar)
    assert list(active) == sorted(calendar)
    assert len(active) == len(calendar)
    assert active.last_day == max(calendar, default=None)
    assert active == ActiveDays(runs(calendar))
    assert active.current(first + dt.timedelta(days=today)) == current_streak(
        calendar, first + dt.timedelta(days=today)
    )


def current_streak(calendar: set[dt.date], today: dt.date) -> int:
    """Counted backwards from the last active day, while that is not before yesterday."""
    last = max(calendar, default=None)
    if last is None or last < today - dt.timedelta(days=1):
        return 0
    length = 0
    while last - dt.timedelta(days=length) in calendar:
        length += 1
    return length
