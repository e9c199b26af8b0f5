"""What must be true of a demo's end: what follows from the records that were sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import Derivation, Derived
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


class RefusedRecord(NamedTuple):
    """A dead letter: why, and the record as it was sent."""

    reason: str
    key: bytes | None
    value: bytes | None
    headers: WireHeaders


class EarnedAchievement(NamedTuple):
    """An achievement unlocked by an event: once, or again as another occurrence."""

    user_id: str
    achievement_id: str
    occurrence: int
    generation: int
    triggering_event_id: UUID


@dataclass(frozen=True, slots=True)
class Expectation:
    """Everything that is compared, by this rule book."""

    book: RuleBook
    outcomes: Counter[str]
    learners: dict[str, Derived]
    letters: Counter[RefusedRecord]
    unlocks: Counter[EarnedAchievement]


def expect(records: Iterable[GeneratedRecord], book: RuleBook) -> Expectation:
    """What the worker has to make of the records, given in the order in which they were sent."""
    sent = list(records)
    said = [record.completion for record in sent if record.completion is not None]
    return Expectation(
        book=book,
        outcomes=Counter(str(OUTCOMES[record.kind]) for record in sent),
        learners=derive_learners(said, book),
        letters=Counter(
            RefusedRecord(record.reason.value, record.key, record.value, record.headers)
            for record in sent
            if record.reason is not None
        ),
        unlocks=Counter(earned(said, book)),
    )


def derive_learners(said: Iterable[Completion], book: RuleBook) -> dict[str, Derived]:
    """Every learner as the completions lead to it, given in the order in which they were sent.

    The highest revision of a completion counts, and the first of equal ones.
    """
    latest: dict[tuple[str, UUID], Completion] = {}
    for completion in said:
        key = (completion.user_id, completion.event_id)
        if key not in latest or supersedes(completion.revision, latest[key].revision):
            latest[key] = completion
    users = {user_id for user_id, _ in latest}
    derivations = {
        user_id: Derivation(book, book.new_learner(user_id)) for user_id in sorted(users)
    }
    for completion in sorted(latest.values(), key=attrgetter("completed_at", "event_id")):
        derivations[completion.user_id].add(completion)
    return {user_id: derivation.finish() for user_id, derivation in derivations.items()}


def earned(said: Iterable[Completion], book: RuleBook) -> Iterator[EarnedAchievement]:
    """What the completions unlock in the order in which they were sent.

    The order matters: an unlock is kept, and a later completion may end what it was earned by.
    """
    states: dict[str, LearnerState] = {}
    stored: dict[tuple[str, UUID], Completion] = {}
    for completion in said:
        user_id, key = completion.user_id, (completion.user_id, completion.event_id)
        if user_id not in states:
            states[user_id] = book.new_learner(user_id)
        effects = apply(book, states[user_id], completion, stored.get(key))
        if effects.outcome is not Outcome.DUPLICATE:
            stored[key] = completion
        for unlock in effects.unlocks:
            yield EarnedAchievement(
                user_id,
                unlock.achievement.id,
                unlock.occurrence,
                unlock.generation,
                completion.event_id,
            )
