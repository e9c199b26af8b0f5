"""Saves the learners that a batch changed, with all that was decided, in one transaction.

The learner rows come first, in the order of their ids, each only if its version is still the one
that was loaded: whoever was faster wins, and the slower transaction fails as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from pydantic_core import to_json

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.state import LearnerState
from progress_worker.errors import LearnerChangedError
from progress_worker.storage.active_days import format_runs
from progress_worker.storage.database import Connection, values_refused
from progress_worker.storage.write import outbox
from progress_worker.storage.write.appending import Appending, Row, Together
from progress_worker.storage.write.arrays import arrays
from progress_worker.storage.write.outbox import OutboxRecord

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
_COMPLETIONS: Final = Appending(
    "completion",
    {
        "user_id": "text",
        "event_id": "uuid",
        "revision": "int4",
        "revoked": "bool",
        "exercise_id": "text",
        "topic": "text",
        "difficulty": "text",
        "grade_hundredths": "int2",
        "time_spent_seconds": "int4",
        "hints_used": "int2",
        "completed_at": "timestamptz",
        "timezone": "text",
        "local_day": "date",
    },
)
_SUMS: Final = {
    "completions": "int4",
    "graded": "int4",
    "grade_hundredths": "int8",
    "time_spent_seconds": "int8",
    "hints_used": "int8",
}
_CELL: Final = {"topic": "text", "difficulty": "text"}
_TOTALS: Final = Appending("learner_total", {"user_id": "text"} | _CELL | _SUMS)
_DAYS: Final = Appending("learner_day", {"user_id": "text", "local_day": "date"} | _CELL | _SUMS)
_SET_SUMS: Final = """
    completions = n.completions, graded = n.graded, grade_hundredths = n.grade_hundredths,
    time_spent_seconds = n.time_spent_seconds, hints_used = n.hints_used
"""
_CHANGE_TOTALS: Final = f"""
UPDATE learner_total AS t SET {_SET_SUMS}
FROM unnest(%s::text[], %s::text[], %s::text[],
            %s::integer[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS n (user_id, topic, difficulty,
          completions, graded, grade_hundredths, time_spent_seconds, hints_used)
WHERE t.user_id = n.user_id AND t.topic = n.topic AND t.difficulty = n.difficulty
"""
_CHANGE_DAYS: Final = f"""
UPDATE learner_day AS t SET {_SET_SUMS}
FROM unnest(%s::text[], %s::date[], %s::text[], %s::text[],
            %s::integer[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS n (user_id, local_day, topic, difficulty,
          completions, graded, grade_hundredths, time_spent_seconds, hints_used)
WHERE t.user_id = n.user_id AND t.local_day = n.local_day
    AND t.topic = n.topic AND t.difficulty = n.difficulty
"""
_FORGET_DAYS: Final = """
DELETE FROM learner_day AS t
USING unnest(%s::text[], %s::date[], %s::text[], %s::text[])
    AS n (user_id, local_day, topic, difficulty)
WHERE t.user_id = n.user_id AND t.local_day = n.local_day
    AND t.topic = n.topic AND t.difficulty = n.difficulty
"""
_SAVE_LEVELS: Final = """
INSERT INTO skill_level (user_id, topic, level, previous_level, level_updated_at)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
ON CONFLICT (user_id, topic) DO UPDATE SET
    level = excluded.level, previous_level = excluded.previous_level,
    level_updated_at = excluded.level_updated_at
"""
_UNLOCKS: Final = Appending(
    "achievement_unlock",
    {
        "user_id": "text",
        "achievement_id": "text",
        "unlocked_at": "timestamptz",
        "local_day": "date",
        "triggering_event_id": "uuid",
        "rule_version": "int4",
        "measure": "text",
        "value": "int8",
        "target": "int8",
        "backdated": "bool",
    },
)
_APPENDED: Final = (_COMPLETIONS, _TOTALS, _DAYS, _UNLOCKS, outbox.RECORDS)
_PARTS: Final = Together(
    *(table.insert for table in _APPENDED),
    _REVISE_COMPLETIONS,
    _CHANGE_TOTALS,
    _CHANGE_DAYS,
    _SAVE_LEVELS,
)
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


async def save(
    connection: Connection,
    changes: Changes,
    messages: Iterable[OutboxRecord] = (),
    *,
    instead: bool = False,
) -> None:
    """Write the changes, and messages to the outbox in their order; the caller commits.

    With `instead`, sums that are not among the changes are deleted.

    Raises LearnerChangedError when another transaction changed one of the learners since it was
    loaded, PoisonError for a value that cannot be sent, and psycopg.Error. Blocks on row locks up
    to the connection's lock timeout.
    """
    with values_refused():
        await _save(connection, changes, messages, instead=instead)


async def _save(
    connection: Connection,
    changes: Changes,
    messages: Iterable[OutboxRecord],
    *,
    instead: bool,
) -> None:
    learners = sorted(changes.learners, key=_user_id)
    saved = await _write(connection, _SAVE_LEARNERS, [_learner_row(s) for s in learners])
    if saved is not None and saved.rowcount != len(learners):
        raise LearnerChangedError("a learner of the batch was changed by another transaction")
    if instead:
        for statement in _FORGET_SUMS:
            await connection.execute(statement, [[state.user_id for state in learners]])
    await _forget_empty_days(connection, learners)
    await _save_parts(connection, learners, changes, messages)


async def _forget_empty_days(connection: Connection, learners: Iterable[LearnerState]) -> None:
    """Delete the sums of days that came down to nothing: a day that is not active has no rows."""
    empty = []
    for state in learners:
        if not state.touched.taken_back:
            continue
        for day, cell in list(state.touched.days):
            if not state.days[day][cell].completions:
                del state.days[day][cell], state.touched.days[day, cell]
                empty.append((state.user_id, day, *cell))
    await _write(connection, _FORGET_DAYS, empty)


async def _save_parts(
    connection: Connection,
    learners: Sequence[LearnerState],
    changes: Changes,
    messages: Iterable[OutboxRecord],
) -> None:
    """Append what is new, learner by learner, which keeps pages local; change what was there."""
    new_totals: list[Row] = []
    new_days: list[Row] = []
    totals: list[Row] = []
    days: list[Row] = []
    levels: list[Row] = []
    lost: list[str] = []
    for state in learners:
        user_id, touched = state.user_id, state.touched
        for cell, new in touched.totals.items():
            total = (user_id, *cell, *state.totals[cell].numbers())
            (new_totals if new else totals).append(total)
        for (day, cell), new in touched.days.items():
            of_day = (user_id, day, *cell, *state.days[day][cell].numbers())
            (new_days if new else days).append(of_day)
        for topic, level in touched.levels.items():
            levels.append((user_id, topic, *level))
        if touched.zone_lost:
            lost.append(user_id)
    appended: list[Sequence[Row]] = [
        sorted(changes.added, key=_user_id),
        new_totals,
        new_days,
        [_unlock_row(unlock) for unlock in sorted(changes.unlocks, key=_user_id)],
        [outbox.row(message) for message in messages],
    ]
    for number, (table, rows) in enumerate(zip(_APPENDED, appended, strict=True)):
        if table.are_many(rows):
            await table.copy(connection, rows)
            appended[number] = ()
    await _PARTS.run(connection, *appended, changes.revised, totals, days, levels)
    if lost:
        await connection.execute(_FIND_ZONES, [lost])


async def _write(connection: Connection, statement: str, rows: Sequence[Row]) -> Any:
    """Run a statement whose parameters are the columns of the rows, if there are rows."""
    if not rows:
        return None
    return await connection.execute(statement, arrays(rows))


_user_id: Final = attrgetter("user_id")


def _learner_row(state: LearnerState) -> Row:
    named_at, named_by, timezone = state.zone or (None, None, None)
    return (
        state.user_id,
        state.version + 1,
        format_runs(state.active_days.runs),
        timezone,
        named_at,
        named_by,
        to_json(state.counters).decode(),
    )


def _unlock_row(unlock: Unlock) -> Row:
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
    """Mark everything that the state holds as new, so that all of it is saved."""
    state.touched.totals = dict.fromkeys(state.totals, True)
    state.touched.days = {(day, cell): True for day, cells in state.days.items() for cell in cells}
    state.touched.levels = dict(state.levels)
