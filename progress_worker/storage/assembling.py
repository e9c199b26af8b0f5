"""Assembles a learner's state from the rows that the worker or the view has read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from progress_worker.domain.state import Cell, LearnerState, SkillLevel
from progress_worker.domain.streaks import ActiveDays
from progress_worker.domain.totals import Totals
from progress_worker.storage.active_days import read_runs

#: The columns of a row after `user_id`, in the order of `storage.rows`.
Columns = Iterable[Sequence[Any]]


def learner_state(
    user_id: str,
    *,
    version: int,
    bounds: Sequence[int],
    counters: dict[str, int],
    totals: Columns,
    levels: Columns,
    unlocked: Iterable[str],
    zone: tuple[dt.datetime, UUID, str] | None = None,
    rule_book: int | None = None,
    kept_from: dt.datetime | None = None,
) -> LearnerState:
    """The state without day snapshots; `bounds` are the active days as `BOUNDS` selects them.

    Raises ValueError for half a run of active days.
    """
    return LearnerState(
        user_id,
        version=version,
        rule_book=rule_book,
        active_days=ActiveDays(read_runs(bounds)),
        zone=zone,
        counters=counters,
        totals=totals_of(totals),
        levels=levels_of(levels),
        unlocked=set(unlocked),
        kept_from=kept_from,
    )


def totals_of(rows: Columns) -> dict[Cell, Totals]:
    """Sums from rows of topic, difficulty and the sums."""
    return {(topic, difficulty): Totals(*sums) for topic, difficulty, *sums in rows}


def levels_of(rows: Columns) -> dict[str, SkillLevel]:
    """Skill levels from rows of topic, level, the level before and when it changed."""
    return {topic: SkillLevel(*level) for topic, *level in rows}
