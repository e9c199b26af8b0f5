"""Assembles a learner's state from the rows that the worker or the view has read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from progress_worker.domain.days import Days
from progress_worker.domain.state import Cell, LearnerState, SkillLevel
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.totals import Totals
from progress_worker.storage.days import read_runs

#: The columns of a row after `user_id`, in the order of `storage.rows`.
Columns = Iterable[Sequence[Any]]
#: Active days, excused days and travel days, each as `storage.days.bounds` selects them.
DaysColumns = Sequence[Sequence[int]]


def learner_state(
    user_id: str,
    *,
    version: int,
    days: DaysColumns,
    counters: dict[str, int],
    totals: Columns,
    levels: Columns,
    unlocked: Iterable[str],
    rule_book: int | None = None,
) -> LearnerState:
    """The state without day snapshots and clock; `days` are read as `streaks_of` does.

    Raises ValueError for half a run of days.
    """
    return LearnerState(
        user_id,
        version=version,
        rule_book=rule_book,
        streaks=streaks_of(days),
        counters=counters,
        totals=totals_of(totals),
        levels=levels_of(levels),
        unlocked=set(unlocked),
    )


def streaks_of(days: DaysColumns) -> Streaks:
    """A learner's active and excused days, from the columns that `storage.days.COLUMNS` selects.

    Raises ValueError for half a run of days.
    """
    return Streaks(*(Days(read_runs(bounds)) for bounds in days))


#: The learner's columns that `set_clock` reads, in its order.
CLOCK: Final = (
    "timezone",
    "timezone_at",
    "timezone_event_id",
    "utc_offset_minutes",
    "day_starts_at",
    "day_starts_completed_at",
    "day_starts_event_id",
)


def set_clock(state: LearnerState, clock: Sequence[Any]) -> None:
    """Replace the state's clock by that of these columns."""
    timezone, named_at, named_by, offset, hour, hour_at, hour_by = clock
    state.zone = None if timezone is None else (named_at, named_by, timezone)
    state.offset = None if offset is None else (named_at, named_by, offset)
    state.day_start = None if hour is None else (hour_at, hour_by, hour)


def totals_of(rows: Columns) -> dict[Cell, Totals]:
    """Sums from rows of topic, difficulty and the sums."""
    return {(topic, difficulty): Totals(*sums) for topic, difficulty, *sums in rows}


def levels_of(rows: Columns) -> dict[str, SkillLevel]:
    """Skill levels from rows of topic, level, the level before and when it changed."""
    return {topic: SkillLevel(*level) for topic, *level in rows}
