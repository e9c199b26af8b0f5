"""Compares what a demo's worker made of the records with what it had to make of them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from progress_worker.demo.sent import EarnedAchievement, Expectation, LearnerTotals, RefusedRecord
from progress_worker.events.models import unlock_event_id

_Key = TypeVar("_Key")


class Announcement(NamedTuple):
    """A record of the achievement-unlocked topic."""

    key: bytes | None
    ce_id: str
    event_id: str
    unlock: EarnedAchievement


class StoredLearner(NamedTuple):
    """A learner in Postgres: the totals, the active days, and the sums of the daily snapshots."""

    totals: LearnerTotals
    active_days: frozenset[dt.date]
    snapshots: LearnerTotals


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

    `seconds` passed from the start of the first transaction to the last commit. A worker that was
    started again has not counted all events: there are no `outcomes` then, and no `seconds`.
    """

    outcomes: Counter[str] | None
    learners: dict[str, StoredLearner]
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
        *_learners(expected.learners, found.learners),
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
    return (
        f"{key.achievement_id} of {key.user_id}" if isinstance(key, EarnedAchievement) else str(key)
    )


def _learners(
    expected: Mapping[str, LearnerTotals], found: Mapping[str, StoredLearner]
) -> Iterator[str]:
    for user_id in sorted(expected.keys() | found.keys()):
        if user_id not in found:
            yield f"Postgres has no learner {user_id}."
        elif user_id not in expected:
            yield f"Postgres has a learner {user_id}, who sent nothing."
        else:
            yield from _learner(user_id, expected[user_id], found[user_id])


def _learner(user_id: str, expected: LearnerTotals, found: StoredLearner) -> Iterator[str]:
    for source, sums in (("totals", found.totals), ("daily snapshots", found.snapshots)):
        for name, wanted, value in zip(LearnerTotals._fields, expected, sums, strict=True):
            # Totals have no days.
            if wanted != value and (name, source) != ("days", "totals"):
                yield f"{user_id} has {name} {_told(value, wanted)} in the {source}."
    days = {day for day, _ in expected.days}
    if days != found.active_days:
        yield f"{user_id} has {len(found.active_days)} active days, not the {len(days)} expected."


def _told(value: object, wanted: object) -> str:
    if isinstance(value, tuple) and isinstance(wanted, tuple):
        day = min(set(value) ^ set(wanted))[0]
        return f"that differ, first on {day}"
    return f"{value}, not {wanted},"


def _identities(announcements: Iterable[Announcement]) -> Iterator[str]:
    for key, ce_id, event_id, unlock in announcements:
        identity = unlock_event_id(unlock.user_id, unlock.achievement_id)
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


def _viewed(expected: Expectation, viewed: ViewedLearner) -> Iterator[str]:
    sums = expected.learners.get(viewed.user_id, LearnerTotals())
    mean = sums.grade_hundredths / sums.graded / 100 if sums.graded else None
    wanted = ViewedLearner(
        user_id=viewed.user_id,
        exercises_completed=sums.completions,
        time_spent_seconds=sums.time_spent_seconds,
        hints_used=sums.hints_used,
        average_grade=mean,
        longest_streak=sums.longest_streak,
        achievements=sum(unlock.user_id == viewed.user_id for unlock in expected.unlocks),
    )
    for name, value, right in zip(ViewedLearner._fields, viewed, wanted, strict=True):
        if value != right:
            yield f"The view says {name} {value} of {viewed.user_id}, not {right}."
