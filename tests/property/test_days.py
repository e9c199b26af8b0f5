"""Sets of days against a calendar of days."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.days import Days
from tests.naive import runs


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 14)), max_size=60))
def test_days_against_a_calendar(steps: list[tuple[bool, int]]) -> None:
    first = dt.date(2026, 2, 20)
    active, calendar = Days(), set[dt.date]()
    for adding, offset in steps:
        day = first + dt.timedelta(days=offset)
        changed = active.add(day) if adding else active.remove(day)
        assert changed == ((day in calendar) is not adding)
        if adding:
            calendar.add(day)
        else:
            calendar.discard(day)
        assert active.runs == runs(calendar)
        assert (day in active) == (day in calendar)
    assert list(active) == sorted(calendar)
    assert len(active) == len(calendar)
    assert active.last_day == max(calendar, default=None)
    assert active == Days(runs(calendar))
