"""Compares what a demo's worker made of the records with what it had to make of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from progress_worker.demo.sent import EarnedAchievement, Expectation, RefusedRecord
from progress_worker.domain.compare import compare
from progress_worker.domain.derive import Derived
from progress_worker.domain.occurrences import unlock_name
from progress_worker.domain.state import LearnerState
from progress_worker.events.identities import unlock_event_id

_Key = TypeVar("_Key")


class Announcement(NamedTuple):
    """A record of the achievement-unlocked topic."""

    key: bytes | None
    ce_id: str
    event_id: str
    unlock: EarnedAchievement


class ViewedLearner(NamedTuple):
    """A learner as the HTTP view shows one; the mean grade in percent."""

    user_id: str
    exercises_completed: int
    time_spent_seconds: int
    hints_used: int
    average_grade: float | None
    longest_streak: int
    achievements: int


@dataclass(slots=True)
class Findings:
    """What the worker's metrics, Postgres, Kafka and the view say in the end.

    Learners come with every day. `seconds` passed from the start of the first transaction to the
    last commit. A worker that was started again has not counted all events: there are no
    `outcomes` then, and no `seconds`.
    """

    outcomes: Counter[str] | None
    learners: dict[str, LearnerState]
    unlocks: list[EarnedAchievement]
    announcements: list[Announcement]
    letters: list[RefusedRecord]
    viewed: ViewedLearner
    seconds: float


def differences(expected: Expectation, found: Findings) -> list[str]:
    """What is not as it has to be, a sentence each; empty when all is true."""
    outcomes = expected.outcomes if found.outcomes is None else found.outcomes
    return [
        *_counts("The worker's count of events", expected.outcomes, outcomes),
        *learner_differences(expected.learners, found.learners),
        *_counts("The unlock", expected.unlocks, Counter(found.unlocks)),
        *_counts(
            "The announcement of",
            Counter(found.unlocks),
            Counter(announcement.unlock for announcement in found.announcements),
        ),
        *_identities(found.announcements),
        *_reasons(expected.letters, found.letters),
        *_letters(expected.letters, found.letters),
        *_viewed(expected, found.viewed),
    ]


def _counts(what: str, expected: Counter[_Key], found: Counter[_Key]) -> Iterator[str]:
    for key in dict.fromkeys([*expected, *found]):
        if expected[key] != found[key]:
            yield f"{what} {_name(key)} is there {found[key]:,} times, not {expected[key]:,}."


def _name(key: object) -> str:
    if not isinstance(key, EarnedAchievement):
        return str(key)
    name = unlock_name(key.achievement_id, key.occurrence)
    return f"{name} of {key.user_id}"


def learner_differences(
    expected: Mapping[str, Derived], found: Mapping[str, LearnerState]
) -> Iterator[str]:
    """Where stored learners, with every day, are not as they are derived, a sentence each."""
    for user_id in sorted(expected.keys() | found.keys()):
        if user_id not in found:
            yield f"Postgres has no learner {user_id}."
        elif user_id not in expected:
            yield f"Postgres has a learner {user_id}, who sent nothing."
        else:
            yield from (f"{each}." for each in compare(found[user_id], expected[user_id]))


def _identities(announcements: Iterable[Announcement]) -> Iterator[str]:
    for key, ce_id, event_id, unlock in announcements:
        identity = unlock_event_id(
            unlock.user_id, unlock.achievement_id, unlock.occurrence, unlock.generation
        )
        if not (event_id == identity and ce_id == identity):
            yield (
                f"The announcement of {_name(unlock)} has the ids {event_id} and {ce_id}, "
                f"not {identity} twice."
            )
        if key != unlock.user_id.encode():
            yield f"The announcement of {_name(unlock)} has another key than the learner's id."


def _reasons(expected: Counter[RefusedRecord], found: Iterable[RefusedRecord]) -> Iterator[str]:
    yield from _counts(
        "The dead-letter reason",
        Counter(letter.reason for letter in expected.elements()),
        Counter(letter.reason for letter in found),
    )


def _letters(expected: Counter[RefusedRecord], found: Iterable[RefusedRecord]) -> Iterator[str]:
    """Records that are not on the topic, byte for byte, just as often as they were sent."""
    there = Counter(found)
    for wrong, what in ((expected - there, "is missing or changed"), (there - expected, "is new")):
        for letter in wrong.elements():
            yield f"A dead letter with reason {letter.reason} {what} on the dead-letter topic."


def achievements_of(user_id: str, unlocks: Iterable[EarnedAchievement]) -> int:
    """How many achievements the learner has; one that was earned again counts once."""
    return len({unlock.achievement_id for unlock in unlocks if unlock.user_id == user_id})


def _viewed(expected: Expectation, viewed: ViewedLearner) -> Iterator[str]:
    derived = expected.learners.get(viewed.user_id)
    state = derived.state if derived else LearnerState(viewed.user_id)
    wanted = ViewedLearner(
        user_id=viewed.user_id,
        exercises_completed=state.overall.completions,
        time_spent_seconds=state.overall.time_spent_seconds,
        hints_used=state.overall.hints_used,
        average_grade=state.overall.average_grade,
        longest_streak=state.streaks.longest_days(expected.book.streak_policy),
        achievements=achievements_of(viewed.user_id, expected.unlocks),
    )
    for name, value, right in zip(ViewedLearner._fields, viewed, wanted, strict=True):
        if value != right:
            yield f"The view says {name} {value} of {viewed.user_id}, not {right}."
