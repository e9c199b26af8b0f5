"""The buckets in which a filter counts: one for each day, week or month, or for each exercise.

A rule with a window asks for the best day, week or month. A rule over distinct exercises asks how
many of them there are.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Final, Literal

from progress_worker.domain.completion import Completion
from progress_worker.domain.weeks import first_day_of_week, week_of

Window = Literal["day", "week", "month"]
#: What a bucket holds the completions of.
Bucketing = Literal["day", "week", "month", "exercise"]

#: Buckets of a learner by a filter's key and the bucket's name.
Buckets = dict[str, dict[str, int]]

_FOURTH: Final = 3
_MOST_WEEKS: Final = 4_096


def bucket_of(by: Bucketing, week_starts_on: int, completion: Completion) -> str:
    """The name of the bucket that a completion belongs to.

    A day is named like 2026-11-30, a week like 202648 and a month like 2026-11.
    """
    if by == "exercise":
        return completion.exercise_id
    day = completion.local_day
    if by == "week":
        return str(week_number(day.toordinal(), week_starts_on))
    return f"{day.year:04}-{day.month:02}" if by == "month" else day.isoformat()


@lru_cache(_MOST_WEEKS)
def week_number(ordinal: int, starts_on: int) -> int:
    """The ISO year and week of the fourth day of the day's week, as in 202648 for 2026-W48.

    Weeks begin on the weekday `starts_on`, 0 for Monday.
    """
    first = first_day_of_week(week_of(ordinal, starts_on), starts_on)
    year, week, _ = dt.date.fromordinal(first + _FOURTH).isocalendar()
    return 100 * year + week
