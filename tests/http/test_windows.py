"""Windows of days, in any zone."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.calendar import LocalClock
from progress_worker.http.api.windows import Range, last_days, span


@given(st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1)), st.integers(1, 366))
def test_what_is_read_spans_the_window_in_any_zone(moment: dt.datetime, days: int) -> None:
    now = moment.replace(tzinfo=dt.UTC)
    read = span(days, now)
    for hours, hour in ((-12, 0), (-12, 23), (-11, 0), (0, 4), (13, 0), (14, 0)):
        local = LocalClock(None, 60 * hours, hour).day_of(now)
        window = last_days(days, local)
        assert window.first in read
        assert window.last in read
        asked = Range(days=days)
        assert asked.window(local) == window
        assert asked.span(now) == read
