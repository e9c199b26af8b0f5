"""The generated work that every contestant gets, and its correct result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from progress_worker.demo.sent import derive_learners, earned
from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import Derived
from progress_worker.domain.rulebook import RuleBook
from progress_worker.generator.generator import generate
from progress_worker.generator.wire import Wire, bare, binary

EVENTS_PER_LEARNER = 20
REPEAT_SHARE = 0.02
LATE_SHARE = 0.01
_SEED = 6
_END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)

#: Completions, graded ones, hundredths of grades, seconds, hints.
Sums = tuple[int, int, int, int, int]
Envelope = Callable[[Completion], Wire]


@dataclass(slots=True)
class Expected:
    """The only correct result: sums by learner, by learner and topic, by learner and day.

    The completions are in the order in which they are sent, without repeats. An unlock is a
    learner, an achievement and an occurrence; without revisions none is lost.
    """

    completions: dict[tuple[str, UUID], Completion] = field(default_factory=dict)
    totals: dict[str, Sums] = field(default_factory=dict)
    topics: dict[tuple[str, str], Sums] = field(default_factory=dict)
    days: dict[tuple[str, dt.date], Sums] = field(default_factory=dict)
    unlocks: set[tuple[str, str, int]] = field(default_factory=set)


@dataclass(frozen=True)
class Workload:
    """Records in the order in which they are sent, and their correct result by the book."""

    records: Sequence[Wire]
    expected: Expected
    book: RuleBook

    @cached_property
    def learners(self) -> dict[str, Derived]:
        """Every learner as the worker must store them."""
        return derive_learners(self.expected.completions.values(), self.book)

    @property
    def mean_bytes(self) -> float:
        """The mean size of a record's value."""
        return sum(len(record.value or b"") for record in self.records) / len(self.records)


def in_bare_json(completion: Completion) -> Wire:
    """A value of about 280 bytes without headers."""
    return bare(completion, completion.completed_at, str(completion.event_id))


def in_binary_mode(completion: Completion) -> Wire:
    """The same with the six headers of CloudEvents' binary mode."""
    event_id = str(completion.event_id)
    return binary(completion, completion.completed_at, event_id, event_id)


def completions(count: int, seed: int = _SEED) -> Iterator[Completion]:
    """`count` completions of learners with habits; some are repeated, some are late."""
    learners = max(1, count // EVENTS_PER_LEARNER)
    shares = {"repeat_share": REPEAT_SHARE, "late_share": LATE_SHARE}
    for record in generate(count, seed, learners, _END, **shares, revision_share=0, broken_share=0):
        if record.completion is not None:
            yield _with_zone(record.completion)


def _with_zone(completion: Completion) -> Completion:
    """Give it a zone, so that it can be written in UTC and still has its local time."""
    if completion.timezone is not None:
        return completion
    local_day = completion.completed_at.date()
    return completion._replace(timezone="UTC", utc_offset_minutes=0, local_day=local_day)


def make_workload(count: int, envelope: Envelope, book: RuleBook) -> Workload:
    """Generate the work and fold it the slow, obvious way. It depends only on the arguments."""
    expected = Expected()
    records = []
    for completion in completions(count):
        records.append(envelope(completion))
        identity = (completion.user_id, completion.event_id)
        if identity not in expected.completions:
            expected.completions[identity] = completion
            _count(expected, completion)
    for unlock in earned(expected.completions.values(), book):
        expected.unlocks.add((unlock.user_id, unlock.achievement_id, unlock.occurrence))
    return Workload(records, expected, book)


def _count(expected: Expected, completion: Completion) -> None:
    grade = completion.grade_hundredths
    share = (
        1,
        int(grade is not None),
        grade or 0,
        completion.time_spent_seconds,
        completion.hints_used,
    )
    user_id = completion.user_id
    topic, day = (user_id, completion.topic), (user_id, completion.local_day)
    expected.totals[user_id] = add(expected.totals.get(user_id), share)
    expected.topics[topic] = add(expected.topics.get(topic), share)
    expected.days[day] = add(expected.days.get(day), share)


def add(sums: Sums | None, share: Sums) -> Sums:
    """The sum of both; the first may be None."""
    if sums is None:
        return share
    return (
        sums[0] + share[0],
        sums[1] + share[1],
        sums[2] + share[2],
        sums[3] + share[3],
        sums[4] + share[4],
    )
