"""Saves the learners that a batch changed, with all that was decided, in one transaction.

The learner rows are written first, in the order of their ids, and each only if its version is still
the one that was loaded. If two transactions change a learner, the faster one wins, and the other
fails as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from pydantic_core import to_json

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.state import LearnerState
from progress_worker.errors import LearnerChangedError
from progress_worker.storage.active_days import format_runs
from progress_worker.storage.arrays import arrays
from progress_worker.storage.database import Connection, values_refused
from progress_worker.storage.rows import (
    COMPLETION,
    DAY,
    LEARNER,
    OUTBOX,
    SAVED_LEVEL,
    TOTAL,
    UNLOCK,
)
from progress_worker.storage.write import outbox
from progress_worker.storage.write.bulk import BulkWriter, CombinedQuery, Row
from progress_worker.storage.write.outbox import OutboxRecord

#: A first version is the transaction's time in microseconds, and a learner is saved less than once
#: in a microsecond. So a learner who is deleted and starts again never has an old version again.
_FIRST_VERSION: Final = "(date_part('epoch', now()) * 1000000)::bigint"
_OTHER_COLUMNS: Final = [name for name in LEARNER.values if name != "version"]
_COMPLETE: Final = "CASE WHEN n.rule_book IS NOT NULL THEN {} END"
_SAVE_LEARNERS: Final = f"""
WITH added AS (
    INSERT INTO learner (user_id, version, first_version, rule_book_at, {", ".join(_OTHER_COLUMNS)})
    SELECT user_id, {_FIRST_VERSION}, {_FIRST_VERSION}, {_COMPLETE.format(_FIRST_VERSION)},
           {", ".join(_OTHER_COLUMNS)}
    FROM {LEARNER.given(LEARNER.columns)}
    ON CONFLICT (user_id) DO NOTHING
    RETURNING version
), changed AS (
    UPDATE learner AS l
    SET version = n.version + 1, rule_book_at = {_COMPLETE.format("n.version + 1")},
        {", ".join(f"{name} = n.{name}" for name in _OTHER_COLUMNS)}
    FROM {LEARNER.given(LEARNER.columns)}
    WHERE l.user_id = n.user_id AND l.version = n.version
    RETURNING true
)
SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM changed),
       (SELECT max(version) FROM added)
"""
_APPENDED: Final = (COMPLETION, TOTAL, DAY, UNLOCK, OUTBOX)
_WRITERS: Final = [BulkWriter(rows) for rows in _APPENDED]
_PARTS: Final = CombinedQuery(
    *(rows.insert for rows in _APPENDED),
    COMPLETION.update,
    TOTAL.update,
    DAY.update,
    SAVED_LEVEL.upsert,
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


@dataclass(slots=True)
class Changes:
    """What one transaction is to write."""

    learners: Sequence[LearnerState]
    added: Sequence[Completion] = ()
    revised: Sequence[Completion] = ()
    unlocks: Sequence[Unlock] = field(default_factory=list)


async def save(
    connection: Connection, changes: Changes, messages: Iterable[OutboxRecord] = ()
) -> None:
    """Write the changes, and messages to the outbox in their order; the caller commits.

    Raises LearnerChangedError when another transaction changed one of the learners since it was
    loaded, PoisonError for a value that cannot be sent, and psycopg.Error. Blocks on row locks up
    to the connection's lock timeout.
    """
    with values_refused():
        learners = sorted(changes.learners, key=_user_id)
        await _save_learners(connection, learners)
        await _forget_empty_sums(connection, learners)
        await _save_parts(connection, learners, changes, messages)


async def _save_learners(connection: Connection, learners: Sequence[LearnerState]) -> None:
    """Insert the learners that were never stored, and update the others; set their new versions."""
    if not learners:
        return
    new = [state for state in learners if not state.version]
    known = [state for state in learners if state.version]
    columns = [
        column
        for states in (new, known)
        for column in arrays([_learner_row(state) for state in states], len(LEARNER.columns))
    ]
    result = await connection.execute(_SAVE_LEARNERS, columns)
    added, changed, first_version = await result.fetchone() or (0, 0, 0)
    if (added, changed) != (len(new), len(known)):
        raise LearnerChangedError("a learner of the batch was changed by another transaction")
    for state in new:
        state.version = first_version
    for state in known:
        state.version += 1


async def _forget_empty_sums(connection: Connection, learners: Iterable[LearnerState]) -> None:
    """Delete the sums that came down to zero: a day or cell without completions has no rows."""
    totals: list[Row] = []
    days: list[Row] = []
    for state in learners:
        dirty = state.dirty
        if not dirty.taken_back:
            continue
        for cell in [cell for cell in dirty.totals if not state.totals[cell].completions]:
            del state.totals[cell], dirty.totals[cell]
            totals.append((state.user_id, *cell))
        for day, cell in list(dirty.days):
            if not state.days[day][cell].completions:
                del state.days[day][cell], dirty.days[day, cell]
                days.append((state.user_id, day, *cell))
    for table, rows in ((TOTAL, totals), (DAY, days)):
        if rows:
            await connection.execute(table.delete, arrays(rows, len(table.key)))


async def _save_parts(
    connection: Connection,
    learners: Sequence[LearnerState],
    changes: Changes,
    messages: Iterable[OutboxRecord],
) -> None:
    """Append new rows, learner by learner, which keeps pages local; change existing ones.

    The learners have their new versions, which their unlocks and levels remember.
    """
    new_totals: list[Row] = []
    new_days: list[Row] = []
    totals: list[Row] = []
    days: list[Row] = []
    levels: list[Row] = []
    lost: list[str] = []
    versions = {state.user_id: state.version for state in learners}
    for state in learners:
        user_id, dirty = state.user_id, state.dirty
        for cell, new in dirty.totals.items():
            total = (user_id, *cell, *state.totals[cell].numbers())
            (new_totals if new else totals).append(total)
        for (day, cell), new in dirty.days.items():
            of_day = (user_id, day, *cell, *state.days[day][cell].numbers())
            (new_days if new else days).append(of_day)
        for topic, level in dirty.levels.items():
            levels.append((user_id, topic, *level, state.version))
        if dirty.zone_lost:
            lost.append(user_id)
    appended: list[Sequence[Row]] = [
        sorted(changes.added, key=_user_id),
        new_totals,
        new_days,
        [
            _unlock_row(unlock, versions[unlock.user_id])
            for unlock in sorted(changes.unlocks, key=_user_id)
        ],
        [outbox.row(message) for message in messages],
    ]
    for number, (writer, rows) in enumerate(zip(_WRITERS, appended, strict=True)):
        if writer.pays_for(rows):
            await writer.copy(connection, rows)
            appended[number] = ()
    await _PARTS.run(connection, *appended, changes.revised, totals, days, levels)
    if lost:
        await connection.execute(_FIND_ZONES, [lost])


_user_id: Final = attrgetter("user_id")


def _learner_row(state: LearnerState) -> Row:
    named_at, named_by, timezone = state.zone or (None, None, None)
    return (
        state.user_id,
        state.version,
        format_runs(state.active_days.runs),
        timezone,
        named_at,
        named_by,
        to_json(state.counters).decode(),
        state.rule_book,
    )


def _unlock_row(unlock: Unlock, version: int) -> Row:
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
        version,
    )
