"""Compares what was sent with every result, learner by learner, byte by byte."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, LiteralString, NamedTuple
from uuid import UUID, uuid5

from aiokafka import ConsumerRecord

from progress_worker.demo.read import read_topic
from progress_worker.domain.excuses import Excuse
from progress_worker.generator.generator import GeneratedRecord
from progress_worker.settings.worker import Settings
from tests.harness.any_order import as_it_may_have_come
from tests.harness.storage import fetch
from tests.harness.truth import Row, Rows, expected_rows

#: The contract's namespace; it is not imported, so that a change is noticed.
_NAMESPACE = UUID("6f5d1d0e-9d52-5b0c-8a4e-2f6a0c7d3b11")

_SUMS: LiteralString = (
    "completions, graded, grade_hundredths, time_spent_seconds, hints_used, passed"
)
#: The columns that are compared: all but how often and when a learner was saved.
_COLUMNS: dict[str, LiteralString] = {
    "learner": "user_id, active_days, excused_days, travel_days, timezone, utc_offset_minutes, "
    "timezone_at, timezone_event_id, day_starts_at, day_starts_completed_at, day_starts_event_id",
    "excuse": "user_id, excuse_id, revision, revoked, issued_at, kind, first_day, last_day",
    "completion": "user_id, event_id, revision, revoked, exercise_id, topic, difficulty, "
    "grade_hundredths, time_spent_seconds, hints_used, completed_at, timezone, local_day, "
    "utc_offset_minutes, day_starts_at, cohort, local_day_hour",
    "learner_total": "user_id, topic, difficulty, " + _SUMS,
    "learner_day": "user_id, local_day, topic, difficulty, " + _SUMS,
    "skill_level": "user_id, topic, level, previous_level, level_updated_at",
    "achievement_unlock": "user_id, achievement_id, unlocked_at, local_day, triggering_event_id, "
    "rule_version, value, target, backdated",
    "outbox": "topic, key, value, parked",
}


class PublishedUnlock(NamedTuple):
    """A record of the achievement-unlocked topic."""

    key: bytes | None
    ce_id: str
    event_id: str
    user_id: str
    achievement_id: str
    triggering_event_id: str
    value: int
    target: int
    rule_version: int
    backdated: bool


class PublishedLetter(NamedTuple):
    """A record of the dead-letter topic as it was sent, and why it is there."""

    reason: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


#: A letter and the place of its record: topic, partition, offset.
Found = tuple[PublishedLetter, tuple[str, int, int]]


@dataclass(frozen=True)
class Expected:
    """Everything that Postgres and Kafka must hold once all records are processed."""

    rows: Rows
    letters: Counter[PublishedLetter]
    topic: str


@dataclass
class Outputs:
    """Everything that Postgres and Kafka hold once all records are processed."""

    rows: Rows
    announcements: list[PublishedUnlock]
    letters: list[Found]


async def find(settings: Settings, owner_url: str) -> Outputs:
    """Read everything that a deployment holds now."""
    rows = find_rows(owner_url)
    unlocked = await read_topic(settings, settings.unlocked_topic)
    letters = await read_topic(settings, settings.dead_letter_topic)
    return Outputs(rows, [announcement(r) for r in unlocked], [letter(r) for r in letters])


def find_rows(owner_url: str, learners: Sequence[str] | None = None) -> Rows:
    """Every row of every table, or those of some learners."""
    rows: Rows = {}
    for table, columns in _COLUMNS.items():
        query: LiteralString = f"SELECT {columns} FROM {table}"
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


def expect(
    sent: Sequence[GeneratedRecord],
    *,
    catalogue: str,
    topic: str,
    excuses: Sequence[Excuse] = (),
) -> Expected:
    """What must exist; `sent` is in the order in which each learner's records went to `topic`.

    `catalogue` is the YAML by which achievements are earned.
    """
    completions = [record.completion for record in sent if record.completion is not None]
    rows = expected_rows(completions, catalogue, excuses)
    letters = Counter(
        PublishedLetter(record.reason.value, record.key, record.value, tuple(record.headers))
        for record in sent
        if record.reason is not None
    )
    return Expected(rows, letters, topic)


def differences(expected: Expected, found: Outputs) -> list[str]:
    """A sentence for each difference.

    Rows must exist exactly once, announcements and dead letters at least once.
    """
    return [
        *(s for table in _COLUMNS for s in _rows(table, expected.rows[table], found.rows[table])),
        *_announcements(expected.rows["achievement_unlock"], found.announcements),
        *_letters(expected, found.letters),
    ]


def reconcile(
    sent: Sequence[GeneratedRecord],
    found: Outputs,
    *,
    catalogue: str,
    topic: str,
    excuses: Sequence[Excuse] = (),
    unordered: frozenset[str] = frozenset(),
) -> list[str]:
    """The differences between what must follow from `sent` and `excuses` and what was found.

    The events of `unordered` learners may have arrived in any order. An excuse may have arrived
    before, between or after its learner's events, but after the excuses before it.
    """
    expected = expect(sent, catalogue=catalogue, topic=topic, excuses=excuses)
    events = [record.completion for record in sent if record.completion is not None]
    rows = as_it_may_have_come(expected.rows, found.rows, events, unordered, catalogue, excuses)
    return differences(replace(expected, rows=rows), found)


def _rows(table: str, expected: Iterable[Row], found: Iterable[Row]) -> Iterator[str]:
    wanted, there = Counter(expected), Counter(found)
    for row in (wanted - there).elements():
        yield f"{table} lacks {row}"
    for row in (there - wanted).elements():
        yield f"{table} has {row}, which should not be there"


def _announcements(unlocks: Iterable[Row], found: Iterable[PublishedUnlock]) -> Iterator[str]:
    wanted = {_announced(row) for row in unlocks}
    there = set(found)
    for announcement in wanted - there:
        yield f"achievement-unlocked lacks {announcement}"
    for announcement in there - wanted:
        yield f"achievement-unlocked has {announcement}, which has no unlock"


def _announced(row: Row) -> PublishedUnlock:
    user_id, achievement_id, _at, _day, trigger, version, value, target, backdated = row
    identity = str(uuid5(_NAMESPACE, f"{user_id}\0{achievement_id}"))
    return PublishedUnlock(
        user_id.encode(),
        identity,
        identity,
        user_id,
        achievement_id,
        str(trigger),
        value,
        target,
        version,
        backdated,
    )


def _letters(expected: Expected, found: Iterable[Found]) -> Iterator[str]:
    wanted = expected.letters
    # A record that was dead-lettered twice has one origin.
    there = Counter(letter for letter, _ in set(found))
    for letter in (wanted - there).elements():
        yield f"the dead letters lack a record: {_described(letter)}"
    for letter in there.keys() - wanted.keys():
        yield f"the dead letters have a record that was not sent broken: {_described(letter)}"
    for origin in {origin for _, origin in found if origin[0] != expected.topic}:
        yield f"a dead letter says that it comes from {origin}"


def _described(letter: PublishedLetter) -> str:
    return f"{letter.reason} {letter.key!r} {(letter.value or b'')[:80]!r}"


def _row(table: str, row: Row) -> Row:
    if table != "learner":
        return row
    user_id, active, excused, travelled, *clock = row
    return (user_id, *map(_runs, (active, excused, travelled)), *clock)


def _runs(days: Any) -> tuple[tuple[int, int], ...]:
    """The first and last ordinals of a multirange; null is a learner without such days."""
    return tuple((run.lower.toordinal(), run.upper.toordinal() - 1) for run in days or ())


def announcement(record: ConsumerRecord) -> PublishedUnlock:
    data: dict[str, Any] = json.loads(record.value)
    return PublishedUnlock(
        key=record.key,
        ce_id=dict(record.headers)["ce_id"].decode(),
        event_id=data["event_id"],
        user_id=data["user_id"],
        achievement_id=data["achievement_id"],
        triggering_event_id=data["triggering_event_id"],
        value=data["criteria"]["value"],
        target=data["criteria"]["target"],
        rule_version=data["rule_version"],
        backdated=data["backdated"],
    )


def letter(record: ConsumerRecord) -> Found:
    about = {n: v.decode() for n, v in record.headers if n.startswith("dlq.")}
    untouched = tuple(header for header in record.headers if header[0] not in about)
    letter = PublishedLetter(about["dlq.reason"], record.key, record.value, untouched)
    place = int(about["dlq.original-partition"]), int(about["dlq.original-offset"])
    return letter, (about["dlq.original-topic"], *place)
