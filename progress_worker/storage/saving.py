"""Saves the learners that a batch changed, with all that was decided, in one transaction.

The learner rows come first, in the order of their ids, each only if its version is still the one
that was loaded: whoever was faster wins, and the slower transaction fails as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.state import LearnerState
from progress_worker.domain.totals import Totals
from progress_worker.errors import LearnerChangedError
from progress_worker.storage.arrays import array
from progress_worker.storage.database import Connection
from progress_worker.storage.learners import format_runs

_SAVE_LEARNERS: Final = """
INSERT INTO learner AS l
    (user_id, version, active_days, timezone, timezone_at, timezone_event_id, counters)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::datemultirange[], %s::text[],
                     %s::timestamptz[], %s::uuid[], %s::jsonb[])
ON CONFLICT (user_id) DO UPDATE SET
    version = excluded.version, active_days = excluded.active_days,
    timezone = excluded.timezone, timezone_at = excluded.timezone_at,
    timezone_event_id = excluded.timezone_event_id, counters = excluded.counters
WHERE l.version = excluded.version - 1
"""
_ADD_COMPLETIONS: Final = """
INSERT INTO completion
    (user_id, event_id, revision, revoked, exercise_id, topic, difficulty, grade_hundredths,
     time_spent_seconds, hints_used, completed_at, timezone, local_day)
SELECT * FROM unnest(%s::text[], %s::uuid[], %s::integer[], %s::boolean[], %s::text[], %s::text[],
                     %s::text[], %s::smallint[], %s::integer[], %s::smallint[],
                     %s::timestamptz[], %s::text[], %s::date[])
"""
_REVISE_COMPLETIONS: Final = """
UPDATE completion AS c SET
    revision = n.revision, revoked = n.revoked, exercise_id = n.exercise_id, topic = n.topic,
    difficulty = n.difficulty, grade_hundredths = n.grade_hundredths,
    time_spent_seconds = n.time_spent_seconds, hints_used = n.hints_used,
    completed_at = n.completed_at, timezone = n.timezone, local_day = n.local_day
FROM unnest(%s::text[], %s::uuid[], %s::integer[], %s::boolean[], %s::text[], %s::text[],
            %s::text[], %s::smallint[], %s::integer[], %s::smallint[],
            %s::timestamptz[], %s::text[], %s::date[])
    AS n (user_id, event_id, revision, revoked, exercise_id, topic, difficulty, grade_hundredths,
          time_spent_seconds, hints_used, completed_at, timezone, local_day)
WHERE c.user_id = n.user_id AND c.event_id = n.event_id
"""
_SET_TOTALS: Final = """
    completions = excluded.completions, graded = excluded.graded,
    grade_hundredths = excluded.grade_hundredths,
    time_spent_seconds = excluded.time_spent_seconds, hints_used = excluded.hints_used
"""
_SAVE_TOTALS: Final = f"""
INSERT INTO learner_total
    (user_id, topic, difficulty,
     completions, graded, grade_hundredths, time_spent_seconds, hints_used)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[],
                     %s::integer[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[])
ON CONFLICT (user_id, topic, difficulty) DO UPDATE SET {_SET_TOTALS}
"""
_SAVE_DAYS: Final = f"""
INSERT INTO learner_day
    (user_id, local_day, topic, difficulty,
     completions, graded, grade_hundredths, time_spent_seconds, hints_used)
SELECT * FROM unnest(%s::text[], %s::date[], %s::text[], %s::text[],
                     %s::integer[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[])
ON CONFLICT (user_id, local_day, topic, difficulty) DO UPDATE SET {_SET_TOTALS}
"""
_SAVE_LEVELS: Final = """
INSERT INTO skill_level (user_id, topic, level, previous_level, level_updated_at)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
ON CONFLICT (user_id, topic) DO UPDATE SET
    level = excluded.level, previous_level = excluded.previous_level,
    level_updated_at = excluded.level_updated_at
"""
_ADD_UNLOCKS: Final = """
INSERT INTO achievement_unlock
    (user_id, achievement_id, unlocked_at, local_day, triggering_event_id, rule_version, measure,
     value, target, backdated)
SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::date[], %s::uuid[],
                     %s::integer[], %s::text[], %s::bigint[], %s::bigint[], %s::boolean[])
"""
_FIND_ZONES: Final = """
UPDATE learner AS l
SET timezone = z.timezone, timezone_at = z.completed_at, timezone_event_id = z.event_id
FROM (
    SELECT DISTINCT ON (user_id) user_id, timezone, completed_at, event_id
    FROM completion
    WHERE user_id = ANY(%s) AND NOT revoked AND timezone IS NOT NULL
    ORDER BY user_id, completed_at DESC, event_id DESC
) AS z
WHERE l.user_id = z.user_id
"""
_FORGET_SUMS: Final = (
    "DELETE FROM learner_total WHERE user_id = ANY(%s)",
    "DELETE FROM learner_day WHERE user_id = ANY(%s)",
)


@dataclass(slots=True)
class Changes:
    """What one transaction is to write."""

    learners: Sequence[LearnerState]
    added: Sequence[Completion] = ()
    revised: Sequence[Completion] = ()
    unlocks: Sequence[Unlock] = field(default_factory=list)


async def save(connection: Connection, changes: Changes, *, instead: bool = False) -> None:
    """Write the changes; the caller commits. With `instead`, sums not among them are deleted.

    Raises LearnerChangedError when another transaction changed one of the learners since it was
    loaded, and psycopg.Error. Blocks on row locks up to the connection's lock timeout.
    """
    learners = sorted(changes.learners, key=lambda state: state.user_id)
    totals = [
        (state.user_id, *cell, *_numbers(state.totals[cell]))
        for state in learners
        for cell in state.touched.totals
    ]
    days = [
        (state.user_id, day, *cell, *_numbers(state.days[day][cell]))
        for state in learners
        for day, cell in state.touched.days
    ]
    levels = [
        (state.user_id, topic, *state.levels[topic])
        for state in learners
        for topic in state.touched.levels
    ]
    lost = [state.user_id for state in learners if state.touched.zone_lost]
    saved = await _write(connection, _SAVE_LEARNERS, [_learner_row(s) for s in learners])
    if saved is not None and saved.rowcount != len(learners):
        raise LearnerChangedError("a learner of the batch was changed by another transaction")
    async with connection.pipeline():
        if instead:
            for statement in _FORGET_SUMS:
                await connection.execute(statement, [[state.user_id for state in learners]])
        await _write(connection, _ADD_COMPLETIONS, changes.added)
        await _write(connection, _REVISE_COMPLETIONS, changes.revised)
        await _write(connection, _SAVE_TOTALS, totals)
        await _write(connection, _SAVE_DAYS, days)
        await _write(connection, _SAVE_LEVELS, levels)
        await _write(connection, _ADD_UNLOCKS, [_unlock_row(u) for u in changes.unlocks])
        if lost:
            await connection.execute(_FIND_ZONES, [lost])


async def _write(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> Any:
    """Run a statement whose parameters are the columns of the rows, if there are rows."""
    if not rows:
        return None
    return await connection.execute(
        statement, [array(column) for column in zip(*rows, strict=True)]
    )


def _numbers(totals: Totals) -> tuple[int, int, int, int, int]:
    return (
        totals.completions,
        totals.graded,
        totals.grade_hundredths,
        totals.time_spent_seconds,
        totals.hints_used,
    )


def _learner_row(state: LearnerState) -> tuple[Any, ...]:
    zone = state.zone
    return (
        state.user_id,
        state.version + 1,
        format_runs(state.active_days.runs),
        zone.timezone if zone else None,
        zone.completed_at if zone else None,
        zone.event_id if zone else None,
        json.dumps(state.counters, separators=(",", ":")),
    )


def _unlock_row(unlock: Unlock) -> tuple[Any, ...]:
    trigger = unlock.trigger
    return (
        unlock.user_id,
        unlock.achievement.id,
        trigger.completed_at,
        trigger.local_day,
        trigger.event_id,
        unlock.rule_version,
        unlock.progress.measure,
        unlock.progress.current,
        unlock.progress.target,
        unlock.backdated,
    )


def touch_all(state: LearnerState) -> None:
    """Mark everything that the state holds as changed, so that it is saved."""
    state.touched.totals = set(state.totals)
    state.touched.days = {(day, cell) for day, cells in state.days.items() for cell in cells}
    state.touched.levels = set(state.levels)
