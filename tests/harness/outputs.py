"""Everything that a deployment holds: the rows of its tables and the records of its topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, LiteralString, NamedTuple

from aiokafka import ConsumerRecord

from progress_worker.demo.read import read_topic
from progress_worker.settings.worker import Settings
from tests.harness.chains import Row
from tests.harness.published import PublishedLoss, PublishedUnlock, loss_in, unlock_in
from tests.harness.storage import fetch
from tests.harness.truth import Rows

_READ_SECONDS = 300.0
_SUMS: LiteralString = (
    "completions, graded, grade_hundredths, time_spent_seconds, hints_used, passed"
)
#: The last lost generation of each occurrence, which stands in the learner's row.
LOST = "lost_unlock"
_SOURCES: dict[str, LiteralString] = {LOST: "learner, jsonb_each_text(lost_unlocks)"}
#: The columns that are compared: all but how often and when a learner was saved.
COLUMNS: dict[str, LiteralString] = {
    "learner": "user_id, active_days, excused_days, travel_days, timezone, utc_offset_minutes, "
    "timezone_at, timezone_event_id, day_starts_at, day_starts_completed_at, day_starts_event_id",
    "excuse": "user_id, excuse_id, revision, revoked, issued_at, kind, first_day, last_day",
    "completion": "user_id, event_id, revision, revoked, exercise_id, topic, difficulty, "
    "grade_hundredths, time_spent_seconds, hints_used, completed_at, timezone, local_day, "
    "utc_offset_minutes, day_starts_at, cohort, local_day_hour",
    "learner_total": "user_id, topic, difficulty, " + _SUMS,
    "learner_day": "user_id, local_day, topic, difficulty, " + _SUMS,
    "skill_level": "user_id, topic, level, previous_level, level_updated_at",
    "achievement_unlock": "user_id, achievement_id, occurrence, generation, unlocked_at, "
    "local_day, triggering_event_id, rule_version, rules_digest, value, target, backdated",
    LOST: "user_id, key, value::integer",
    "outbox": "topic, key, value, parked",
}


class PublishedLetter(NamedTuple):
    """A record of the dead-letter topic as it was sent, and why it is there."""

    reason: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


#: A letter and the place of its record: topic, partition, offset.
Found = tuple[PublishedLetter, tuple[str, int, int]]


@dataclass
class Outputs:
    """Everything that Postgres and Kafka hold once all records are processed."""

    rows: Rows
    unlocks: list[PublishedUnlock] = field(default_factory=list)
    losses: list[PublishedLoss] = field(default_factory=list)
    letters: list[Found] = field(default_factory=list)


async def find(settings: Settings, owner_url: str) -> Outputs:
    """Read everything that a deployment holds now."""
    found = await find_records(settings)
    found.rows = find_rows(owner_url)
    return found


async def find_records(settings: Settings) -> Outputs:
    """Read what a deployment has published, without the rows."""
    read = partial(read_topic, settings, limit_seconds=_READ_SECONDS)
    return Outputs(
        {},
        [unlock_in(record) for record in await read(settings.unlocked_topic)],
        [loss_in(record) for record in await read(settings.changes_topic)],
        [_letter(record) for record in await read(settings.dead_letter_topic)],
    )


def find_rows(owner_url: str, learners: Sequence[str] | None = None) -> Rows:
    """Every row of every table, or those of some learners."""
    rows: Rows = {}
    for table, columns in COLUMNS.items():
        query: LiteralString = f"SELECT {columns} FROM {_SOURCES.get(table, table)}"
        if learners is None:
            found = fetch(owner_url, query)
        elif table == "outbox":
            found = []
        else:
            found = fetch(owner_url, f"{query} WHERE user_id = ANY(%s)", list(learners))
        rows[table] = [_row(table, row) for row in found]
    for table in ("learner_total", "learner_day"):
        rows[table] = [row for row in rows[table] if any(row[-6:])]
    return rows


def _row(table: str, row: Row) -> Row:
    if table != "learner":
        return row
    user_id, active, excused, travelled, *clock = row
    return (user_id, *map(_runs, (active, excused, travelled)), *clock)


def _runs(days: Any) -> tuple[tuple[int, int], ...]:
    """The first and last ordinals of a multirange; null is a learner without such days."""
    return tuple((run.lower.toordinal(), run.upper.toordinal() - 1) for run in days or ())


def _letter(record: ConsumerRecord) -> Found:
    about = {n: v.decode() for n, v in record.headers if n.startswith("dlq.")}
    untouched = tuple(header for header in record.headers if header[0] not in about)
    letter = PublishedLetter(about["dlq.reason"], record.key, record.value, untouched)
    place = int(about["dlq.original-partition"]), int(about["dlq.original-offset"])
    return letter, (about["dlq.original-topic"], *place)
