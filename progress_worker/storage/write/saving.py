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

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.revocation import Loss
from progress_worker.domain.state import LearnerState
from progress_worker.errors import LearnerChangedError
from progress_worker.storage.arrays import array, arrays
from progress_worker.storage.assembling import CLOCK, set_clock
from progress_worker.storage.database import Connection, values_refused
from progress_worker.storage.days import format_runs
from progress_worker.storage.rows import (
    COMPLETION,
    COUNTER,
    DAY,
    LEARNER,
    OUTBOX,
    SAVED_LEVEL,
    TOTAL,
    UNLOCK,
)
from progress_worker.storage.write import outbox
from progress_worker.storage.write.bulk import BulkWriter, CombinedQuery, Row
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.expiries import Expiries
from progress_worker.storage.write.outbox import OutboxRecord
from progress_worker.storage.write.row_values import learner_row, unlock_row

#: A first version is the transaction's time in microseconds, and a learner is saved less than once
#: in a microsecond. So a learner who is deleted and starts again never has an old version again.
_FIRST_VERSION: Final = "(date_part('epoch', now()) * 1000000)::bigint"
_OTHER_COLUMNS: Final = [name for name in LEARNER.values if name != "version"]
_COMPLETE: Final = "CASE WHEN n.rule_book IS NOT NULL THEN {} END"
_SAVE_LEARNERS: Final = f"""
WITH added AS (
    INSERT INTO learner (
        user_id, version, first_version, rule_book_at, complete_at, {", ".join(_OTHER_COLUMNS)}
    )
    SELECT user_id, {_FIRST_VERSION}, {_FIRST_VERSION}, {_COMPLETE.format(_FIRST_VERSION)},
           {_FIRST_VERSION}, {", ".join(_OTHER_COLUMNS)}
    FROM {LEARNER.given(LEARNER.columns)}
    ON CONFLICT (user_id) DO NOTHING
    RETURNING version
), changed AS (
    UPDATE learner AS l
    SET version = n.version + 1, rule_book_at = {_COMPLETE.format("n.version + 1")},
        complete_at = CASE WHEN n.user_id <> ALL(%s::text[]) THEN n.version + 1 END,
        {", ".join(f"{name} = n.{name}" for name in _OTHER_COLUMNS)}
    FROM {LEARNER.given(LEARNER.columns)}
    WHERE l.user_id = n.user_id AND l.version = n.version
    RETURNING true
)
SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM changed),
       (SELECT max(version) FROM added)
"""
_APPENDED: Final = (COMPLETION, TOTAL, DAY, COUNTER, UNLOCK, OUTBOX)
_WRITERS: Final = [BulkWriter(rows) for rows in _APPENDED]
_PARTS: Final = CombinedQuery(
    *(rows.insert for rows in _APPENDED),
    COMPLETION.update,
    TOTAL.update,
    DAY.update,
    COUNTER.update,
    SAVED_LEVEL.upsert,
)
#: The latest completion that names a part of the clock; an offset counts where no zone is named.
_LATEST: Final = """
LEFT JOIN (
    SELECT DISTINCT ON (user_id) user_id, {0}, completed_at, event_id FROM completion
    WHERE user_id = ANY(%(users)s::text[]) AND NOT revoked AND {0} IS NOT NULL
    ORDER BY user_id, completed_at DESC, event_id DESC
) AS {1} ON {1}.user_id = l.user_id
"""
_FIND_CLOCKS: Final = f"""
UPDATE learner AS l
SET timezone = f.timezone, timezone_at = f.timezone_at, timezone_event_id = f.timezone_event_id,
    utc_offset_minutes = f.utc_offset_minutes, day_starts_at = f.day_starts_at,
    day_starts_completed_at = f.day_starts_completed_at, day_starts_event_id = f.day_starts_event_id
FROM (
    SELECT l.user_id, z.timezone, coalesce(z.completed_at, o.completed_at) AS timezone_at,
           coalesce(z.event_id, o.event_id) AS timezone_event_id,
           CASE WHEN z.timezone IS NULL THEN o.utc_offset_minutes END AS utc_offset_minutes,
           h.day_starts_at, h.completed_at AS day_starts_completed_at,
           h.event_id AS day_starts_event_id
    FROM learner AS l
    {_LATEST.format("timezone", "z")}
    {_LATEST.format("utc_offset_minutes", "o")}
    {_LATEST.format("day_starts_at", "h")}
    WHERE l.user_id = ANY(%(users)s::text[])
) AS f
WHERE l.user_id = f.user_id
RETURNING l.user_id, {", ".join(f"l.{name}" for name in CLOCK)}
"""
_SET_EXCUSED_DAYS: Final = """
UPDATE learner AS l SET excused_days = n.excused, travel_days = n.travelled
FROM unnest(
    %s::text[], %s::text[]::datemultirange[], %s::text[]::datemultirange[]
) AS n (user_id, excused, travelled)
WHERE l.user_id = n.user_id
"""


@dataclass(slots=True)
class Changes:
    """What one transaction is to write."""

    learners: Sequence[LearnerState]
    added: Sequence[Completion] = ()
    revised: Sequence[Completion] = ()
    unlocks: Sequence[Unlock] = field(default_factory=list)
    losses: Sequence[Loss] = ()


async def save(
    connection: Connection,
    changes: Changes,
    messages: Iterable[OutboxRecord] = (),
    expiries: Expiries | None = None,
    erasures: Erasures | None = None,
) -> None:
    """Write the changes, and messages to the outbox in their order; the caller commits.

    `expiries` writes when streaks are lost; None writes nothing of that. `erasures` is needed where
    a learner may be new.

    Raises LearnerChangedError when another transaction changed one of the learners since it was
    loaded, PoisonError for a value that cannot be sent, and psycopg.Error. Blocks on row locks up
    to the connection's lock timeout.
    """
    with values_refused():
        learners = sorted(changes.learners, key=_user_id)
        added = [state for state in learners if not state.version]
        await _save_learners(connection, learners)
        if erasures is not None:
            await erasures.confirm(connection, added)
        await _forget_empty_sums(connection, learners)
        await _forget_losses(connection, changes.losses)
        await _save_parts(connection, learners, changes, messages)
        await _find_clocks(connection, learners)
        if expiries is not None:
            await expiries.save(connection, learners)


async def _save_learners(connection: Connection, learners: Sequence[LearnerState]) -> None:
    """Insert the learners that were never stored, and update the others; set their new versions."""
    if not learners:
        return
    new = [state for state in learners if not state.version]
    known = [state for state in learners if state.version]
    columns = [
        column
        for states in (new, known)
        for column in arrays([learner_row(state) for state in states], len(LEARNER.columns))
    ]
    incomplete = array([state.user_id for state in known if not state.complete])
    half = len(LEARNER.columns)
    result = await connection.execute(
        _SAVE_LEARNERS, [*columns[:half], incomplete, *columns[half:]]
    )
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
    counts: list[Row] = []
    for state in learners:
        dirty = state.dirty
        for key, bucket in list(dirty.buckets):
            if not state.buckets[key][bucket]:
                del state.buckets[key][bucket]
                if not dirty.buckets.pop((key, bucket)):
                    counts.append((state.user_id, key, bucket))
        if not dirty.taken_back:
            continue
        for cell in [cell for cell in dirty.totals if not state.totals[cell].completions]:
            del state.totals[cell], dirty.totals[cell]
            totals.append((state.user_id, *cell))
        for day, cell in list(dirty.days):
            if not state.days[day][cell].completions:
                del state.days[day][cell], dirty.days[day, cell]
                days.append((state.user_id, day, *cell))
    for table, rows in ((TOTAL, totals), (DAY, days), (COUNTER, counts)):
        if rows:
            await connection.execute(table.delete, arrays(rows, len(table.key)))


async def _forget_losses(connection: Connection, losses: Sequence[Loss]) -> None:
    """Delete unlocks that were lost; the same may be unlocked again in this transaction."""
    if not losses:
        return
    rows = sorted((loss.user_id, loss.achievement.id, loss.occurrence) for loss in losses)
    deleted = await connection.execute(UNLOCK.delete, arrays(rows, len(UNLOCK.key)))
    if deleted.rowcount != len(rows):
        raise LearnerChangedError("an unlock of a learner is gone that another transaction deleted")


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
    new_counts: list[Row] = []
    counts: list[Row] = []
    levels: list[Row] = []
    excused: list[Row] = []
    versions = {state.user_id: state.version for state in learners}
    for state in learners:
        user_id, dirty = state.user_id, state.dirty
        for cell, new in dirty.totals.items():
            total = (user_id, *cell, *state.totals[cell].numbers())
            (new_totals if new else totals).append(total)
        for (day, cell), new in dirty.days.items():
            of_day = (user_id, day, *cell, *state.days[day][cell].numbers())
            (new_days if new else days).append(of_day)
        for (key, bucket), new in dirty.buckets.items():
            count = (user_id, key, bucket, state.buckets[key][bucket])
            (new_counts if new else counts).append(count)
        for topic, level in dirty.levels.items():
            levels.append((user_id, topic, *level, state.version))
        if dirty.excused_days:
            streaks = state.streaks
            runs = format_runs(streaks.excused.runs), format_runs(streaks.travelled.runs)
            excused.append((user_id, *runs))
    appended: list[Sequence[Row]] = [
        sorted(changes.added, key=_user_id),
        new_totals,
        new_days,
        new_counts,
        [
            unlock_row(unlock, versions[unlock.user_id])
            for unlock in sorted(changes.unlocks, key=_user_id)
        ],
        [outbox.row(message) for message in messages],
    ]
    for number, (writer, rows) in enumerate(zip(_WRITERS, appended, strict=True)):
        if writer.pays_for(rows):
            await writer.copy(connection, rows)
            appended[number] = ()
    await _PARTS.run(connection, *appended, changes.revised, totals, days, counts, levels)
    if excused:
        await connection.execute(_SET_EXCUSED_DAYS, arrays(excused, 3))


async def _find_clocks(connection: Connection, learners: Iterable[LearnerState]) -> None:
    """Read the completions of learners whose clock is lost, and store what they name now."""
    lost = {state.user_id: state for state in learners if state.dirty.clock_lost}
    if lost:
        found = await connection.execute(_FIND_CLOCKS, {"users": list(lost)})
        for user_id, *clock in await found.fetchall():
            set_clock(lost[user_id], clock)


_user_id: Final = attrgetter("user_id")
