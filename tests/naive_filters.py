"""The filters of rules on one completion, by the words of the rules.

It shares only the classes of facts with the worker's rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from progress_worker.domain.completion import Completion


def _good_enough(c: Completion, percent: float) -> bool:
    return c.grade_hundredths is not None and c.grade_hundredths >= 100 * percent


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FILTERS: Mapping[str, Callable[[Completion, Any], bool]] = {
    "topic": lambda c, asked: c.topic == asked,
    "difficulty": lambda c, asked: c.difficulty == asked,
    "min_grade": _good_enough,
    "max_hints": lambda c, asked: c.hints_used <= asked,
    "max_seconds": lambda c, asked: c.time_spent_seconds <= asked,
    "weekdays": lambda c, asked: _DAYS[c.local_day.weekday()] in asked,
    "from": lambda c, asked: c.local_day >= asked,
    "until": lambda c, asked: c.local_day <= asked,
    "on": lambda c, asked: f"{c.local_day.month:02}-{c.local_day.day:02}" == asked,
    "between": lambda c, asked: _within(_shown(c), *asked.split("-")),
}


def passing(done: Sequence[Completion], ask: Mapping[str, Any]) -> Sequence[Completion]:
    """The completions that pass every filter of a rule."""
    for name, matches in _FILTERS.items():
        if name in ask:
            done = [c for c in done if matches(c, ask[name])]
    return done


def _shown(c: Completion) -> str | None:
    """What the learner's clock showed, as in 23:59; None where nobody knows."""
    if c.utc_offset_minutes is not None:
        return f"{c.completed_at + dt.timedelta(minutes=c.utc_offset_minutes):%H:%M}"
    return (
        None if c.timezone is None else f"{c.completed_at.astimezone(ZoneInfo(c.timezone)):%H:%M}"
    )


def _within(shown: str | None, first: str, end: str) -> bool:
    if shown is None:
        return False
    return first <= shown < end if first < end else shown >= first or shown < end
