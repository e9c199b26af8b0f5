"""What must be true of a demo's end: a fold of what was sent, apart from the worker's own."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Outcome, apply
from progress_worker.domain.revisions import supersedes
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState
from progress_worker.generator.generator import GeneratedRecord, Kind
from progress_worker.generator.wire import WireHeaders

#: What the worker's metrics call each kind of record.
OUTCOMES = {
    Kind.FRESH: Outcome.APPLIED,
    Kind.LATE: Outcome.APPLIED,
    Kind.REPEAT: Outcome.DUPLICATE,
    Kind.REVISION: Outcome.REVISED,
    Kind.REVOCATION: Outcome.REVOKED,
    Kind.BROKEN: "dead_lettered",
}


class LearnerTotals(NamedTuple):
    """A learner's totals: grades in hundredths of a percent, the days as (local day, count)."""

    completions: int = 0
    graded: int = 0
    grade_hundredths: int = 0
    time_spent_seconds: int = 0
    hints_used: int = 0
    days: tuple[tuple[dt.date, int], ...] = ()

    @property
    def longest_streak(self) -> int:
        """Day by day."""
        longest = current = 0
        yesterday = None
        for day, _ in self.days:
            current = current + 1 if yesterday == day - dt.timedelta(days=1) else 1
            longest, yesterday = max(longest, current), day
        return longest


class RefusedRecord(NamedTuple):
    """A dead letter: why, and the record as it was sent."""

    reason: str
    key: bytes | None
    value: bytes | None
    headers: WireHeaders


class EarnedAchievement(NamedTuple):
    """An achievement unlocked by an event."""

    user_id: str
    achievement_id: str
    triggering_event_id: UUID


@dataclass(frozen=True, slots=True)
class Expectation:
    """Everything that is compared."""

    outcomes: Counter[str]
    learners: dict[str, LearnerTotals]
    letters: Counter[RefusedRecord]
    unlocks: Counter[EarnedAchievement]


def expect(records: Iterable[GeneratedRecord], book: RuleBook) -> Expectation:
    """What the worker has to make of the records, given in the order in which they were sent.

    The sums are folded here by hand. The unlocks are the rules' own, one event after the other.
    """
    sent = list(records)
    said = [record.completion for record in sent if record.completion is not None]
    latest: dict[tuple[str, UUID], Completion] = {}
    for completion in said:
        key = (completion.user_id, completion.event_id)
        if key not in latest or supersedes(completion.revision, latest[key].revision):
            latest[key] = completion
    by_learner: dict[str, list[Completion]] = {user_id: [] for user_id, _ in latest}
    for completion in latest.values():
        if not completion.revoked:
            by_learner[completion.user_id].append(completion)
    return Expectation(
        outcomes=Counter(str(OUTCOMES[record.kind]) for record in sent),
        learners={user_id: _sums(found) for user_id, found in by_learner.items()},
        letters=Counter(
            RefusedRecord(record.reason.value, record.key, record.value, record.headers)
            for record in sent
            if record.reason is not None
        ),
        unlocks=Counter(_unlocks(said, book)),
    )


def _sums(completions: list[Completion]) -> LearnerTotals:
    grades = [c.grade_hundredths for c in completions if c.grade_hundredths is not None]
    return LearnerTotals(
        completions=len(completions),
        graded=len(grades),
        grade_hundredths=sum(grades),
        time_spent_seconds=sum(c.time_spent_seconds for c in completions),
        hints_used=sum(c.hints_used for c in completions),
        days=tuple(sorted(Counter(c.local_day for c in completions).items())),
    )


def _unlocks(said: Iterable[Completion], book: RuleBook) -> Iterable[EarnedAchievement]:
    states: dict[str, LearnerState] = {}
    stored: dict[tuple[str, UUID], Completion] = {}
    for completion in said:
        user_id, key = completion.user_id, (completion.user_id, completion.event_id)
        state = states.setdefault(user_id, book.new_learner(user_id))
        effects = apply(book, state, completion, stored.get(key))
        if effects.outcome is not Outcome.DUPLICATE:
            stored[key] = completion
        for unlock in effects.unlocks:
            yield EarnedAchievement(user_id, unlock.achievement.id, completion.event_id)
