"""Folds completions into a learner's state, one event at a time, in the order of arrival."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from progress_worker.domain import travel
from progress_worker.domain.achievements import Achievement
from progress_worker.domain.clocks import read_clock, reread_clock
from progress_worker.domain.completion import Completion
from progress_worker.domain.occurrences import Entry, hold
from progress_worker.domain.revisions import supersedes
from progress_worker.domain.revocation import Loss, LossReason, generation_of
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rules import (
    DAYS_BIT,
    LEVELS_BIT,
    SUMS_BIT,
    TOPICS_BIT,
    UNLOCKS_BIT,
    Progress,
)
from progress_worker.domain.state import Cell, LearnerState, SkillLevel
from progress_worker.domain.totals import Totals, add_to_sums
from progress_worker.domain.vocabulary import Level


class Outcome(StrEnum):
    """What an arriving event did to the learner's progress."""

    APPLIED = "applied"
    REVISED = "revised"
    REVOKED = "revoked"
    DUPLICATE = "duplicate"
    #: It was done before the learner was erased.
    ERASED = "erased"

    # The hash of an enumeration runs in Python; outcomes are counted event by event.
    __hash__ = str.__hash__


class Unlock(NamedTuple):
    """A rule was met; `trigger` is the event that completed it.

    Each occurrence is unlocked once, and once more with the next generation after it was lost.
    """

    user_id: str
    achievement: Achievement
    trigger: Completion
    progress: Progress
    rule_version: int
    rules_digest: str
    backdated: bool = False
    occurrence: int = 1
    generation: int = 1


class LevelChange(NamedTuple):
    """A learner's level in a topic rose or fell."""

    user_id: str
    topic: str
    previous_level: Level
    level: Level
    changed_at: dt.datetime
    triggering_event_id: UUID
    triggering_revision: int
    completions: int
    average_grade: float | None


class Effects(NamedTuple):
    """The outcome, and what has to be published: losses come before unlocks."""

    outcome: Outcome
    unlocks: Sequence[Unlock] = ()
    level_changes: Sequence[LevelChange] = ()
    losses: Sequence[Loss] = ()


_NOTHING_TO_PUBLISH: Final = {outcome: Effects(outcome) for outcome in Outcome}


def apply(
    book: RuleBook, state: LearnerState, arrival: Completion, stored: Completion | None
) -> Effects:
    """Fold one arriving revision in; `stored` is the completion's revision until now."""
    if state.erased_until is not None and state.is_erased(arrival.completed_at):
        return _NOTHING_TO_PUBLISH[Outcome.ERASED]
    if stored is not None and not supersedes(arrival.revision, stored.revision):
        return _NOTHING_TO_PUBLISH[Outcome.DUPLICATE]
    state.dirty.changed = True
    changed = SUMS_BIT
    if stored is None and not arrival.revoked:  # nearly always true
        outcome = Outcome.APPLIED
        changed |= _put_in(book, state, arrival)
        read_clock(state, arrival)
    else:
        outcome = Outcome.REVOKED if arrival.revoked else Outcome.REVISED
        changed |= _replace(book, state, arrival, stored)
    if changed & DAYS_BIT:
        state.dirty.expiry = True
    level_changes = _relevel(book, state, arrival, stored)
    if level_changes:
        changed |= LEVELS_BIT
    losses: Sequence[Loss] = ()
    if stored is not None and book.withdrawable.ids:
        reason: LossReason = "revoked" if arrival.revoked else "revised"
        losses = book.withdrawable.take(state, reason, book.version)
    due = book.index.due(state, changed)
    if changed & book.weekly.reads and not arrival.revoked:
        weekly = book.weekly.due(state, changed, arrival)
        if weekly:
            due = _in_order([*due, *weekly])
    if due or losses:
        return Effects(outcome, _unlock(book, state, arrival, due), level_changes, losses)
    return Effects(outcome, (), level_changes) if level_changes else _NOTHING_TO_PUBLISH[outcome]


def _replace(
    book: RuleBook, state: LearnerState, arrival: Completion, stored: Completion | None
) -> int:
    """Replace the stored revision by the arrival; returns what it changed."""
    changed = 0
    if stored is not None and not stored.revoked:
        changed |= _take_out(book, state, stored)
    if not arrival.revoked:
        changed |= _put_in(book, state, arrival)
    if stored is not None:
        reread_clock(state, arrival, stored)
    return changed


def _put_in(book: RuleBook, state: LearnerState, completion: Completion) -> int:
    """Add the completion to every sum; returns what it changed."""
    topic, _ = _sum(book, state, completion, 1)
    changed = book.counters.count(state, completion, 1)
    if topic.completions == 1:
        changed |= TOPICS_BIT
    if state.streaks.add_active(completion.local_day):
        changed |= DAYS_BIT
    if travel.put_in(state, completion):
        changed |= DAYS_BIT
    return changed


def _take_out(book: RuleBook, state: LearnerState, completion: Completion) -> int:
    topic, day = _sum(book, state, completion, -1)
    state.dirty.taken_back = True
    changed = book.counters.count(state, completion, -1)
    if topic.completions == 0:
        changed |= TOPICS_BIT
    if not any(totals.completions for totals in day.values()):
        state.streaks.remove_active(completion.local_day)
        changed |= DAYS_BIT
    if travel.take_out(state, completion):
        changed |= DAYS_BIT
    return changed


def _sum(
    book: RuleBook, state: LearnerState, completion: Completion, sign: int
) -> tuple[Totals, dict[Cell, Totals]]:
    """Returns the topic's sum and the day's cells; what has to be saved is marked."""
    cell = completion.topic, completion.difficulty
    local_day, dirty = completion.local_day, state.dirty
    topic = state.topics.get(cell[0])
    if topic is None:
        topic = state.topics[cell[0]] = Totals()
    totals = state.totals.get(cell)
    if totals is None:
        totals = state.totals[cell] = Totals()
        dirty.totals[cell] = True
    else:
        dirty.totals.setdefault(cell, False)
    day = state.days.get(local_day)
    if day is None:
        day = state.days[local_day] = {}
    of_day = day.get(cell)
    if of_day is None:
        of_day = day[cell] = Totals()
        dirty.days[local_day, cell] = True
    else:
        dirty.days.setdefault((local_day, cell), False)
    add_to_sums((state.overall, topic, totals, of_day), completion, book.passing_hundredths, sign)
    return topic, day


def _relevel(
    book: RuleBook, state: LearnerState, arrival: Completion, stored: Completion | None
) -> Sequence[LevelChange]:
    if stored is None or stored.topic == arrival.topic:
        change = _relevel_topic(book, state, arrival.topic, arrival)
        return () if change is None else (change,)
    found = (
        _relevel_topic(book, state, topic, arrival)
        for topic in sorted((arrival.topic, stored.topic))
    )
    return [change for change in found if change is not None]


def _relevel_topic(
    book: RuleBook, state: LearnerState, topic: str, arrival: Completion
) -> LevelChange | None:
    totals = state.topics.get(topic)
    if totals is None:
        return None
    before, level = state.level(topic).level, book.levels.level(totals)
    if level == before:
        return None
    state.levels[topic] = SkillLevel(level, before, arrival.completed_at)
    state.dirty.levels[topic] = state.levels[topic]
    return LevelChange(
        user_id=state.user_id,
        topic=topic,
        previous_level=before,
        level=level,
        changed_at=arrival.completed_at,
        triggering_event_id=arrival.event_id,
        triggering_revision=arrival.revision,
        completions=totals.completions,
        average_grade=totals.average_grade,
    )


def _unlock(
    book: RuleBook, state: LearnerState, trigger: Completion, due: Sequence[Entry]
) -> Sequence[Unlock]:
    _hold(state, due)
    while following := book.index.due(state, UNLOCKS_BIT):
        _hold(state, following)
        due = _in_order([*due, *following])
    return [unlock_of(book, state, entry, trigger) for entry in due]


def unlock_of(book: RuleBook, state: LearnerState, entry: Entry, trigger: Completion) -> Unlock:
    """The unlock of an entry by the completion that completed its rule, in this state."""
    return Unlock(
        state.user_id,
        entry.achievement,
        trigger,
        entry.condition.progress(state),
        book.version,
        book.digest,
        False,
        entry.occurrence,
        generation_of(state, entry.name),
    )


def _hold(state: LearnerState, due: Sequence[Entry]) -> None:
    for entry in due:
        hold(state.unlocked, entry.achievement.id, entry.occurrence)


def _in_order(due: Sequence[Entry]) -> Sequence[Entry]:
    return sorted(due, key=lambda entry: (entry.position, entry.occurrence))
