"""Folds completions into a learner's state, one event at a time, in the order of arrival."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from progress_worker.domain.catalogue import Achievement, Catalogue
from progress_worker.domain.completion import Completion
from progress_worker.domain.filters import Counters
from progress_worker.domain.ladders import Ladders, Step
from progress_worker.domain.rules import (
    DAYS_BIT,
    FIRST_FILTER_BIT,
    LEVELS_BIT,
    SUMS_BIT,
    TOPICS_BIT,
    Progress,
    compile_rule,
)
from progress_worker.domain.skills import LevelRules
from progress_worker.domain.state import Cell, LearnerState, SkillLevel
from progress_worker.domain.totals import Totals, share
from progress_worker.domain.vocabulary import Level
from progress_worker.domain.zones import name_zone, rename_zone


class Outcome(StrEnum):
    """What an arriving event did to the learner's progress."""

    APPLIED = "applied"
    REVISED = "revised"
    REVOKED = "revoked"
    DUPLICATE = "duplicate"

    # An enumeration's own is written in Python, and outcomes are counted event by event.
    __hash__ = str.__hash__


class Unlock(NamedTuple):
    """A rule was met for the first time; `trigger` is the event that completed it."""

    user_id: str
    achievement: Achievement
    trigger: Completion
    progress: Progress
    rule_version: int
    backdated: bool = False


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
    """What the outside has to be told, in the order in which it happened."""

    outcome: Outcome
    unlocks: Sequence[Unlock] = ()
    level_changes: Sequence[LevelChange] = ()


_NOTHING_TO_TELL: Final = {outcome: Effects(outcome) for outcome in Outcome}


class Reducer:
    """The rules of one catalogue and one set of level thresholds."""

    def __init__(self, catalogue: Catalogue, level_rules: LevelRules) -> None:
        self.catalogue = catalogue
        self._level_rules = level_rules
        self.conditions = [
            (achievement, compile_rule(achievement.rule)) for achievement in catalogue.achievements
        ]
        counted = (found for _, condition in self.conditions for found in condition.filters)
        self._counters = Counters(sorted(counted, key=lambda found: found.key), FIRST_FILTER_BIT)
        self._ladders = Ladders(self.conditions, self._counters)

    def new_learner(self, user_id: str) -> LearnerState:
        """The state of a learner without a completion."""
        state = LearnerState(user_id)
        self.reset_counters(state)
        return state

    def counts_match(self, state: LearnerState) -> bool:
        """Whether the state has a counter for every filter and no other; not so after a change."""
        return self._counters.match(state.counters)

    def reset_counters(self, state: LearnerState) -> None:
        """Forget what was counted; every completion that counts has to be counted again."""
        state.counters = self._counters.zero()

    def count(self, state: LearnerState, completion: Completion, sign: int = 1) -> None:
        """Count the completion under every filter that it matches."""
        self._counters.count(state.counters, completion, sign)

    def apply(self, state: LearnerState, arrival: Completion, stored: Completion | None) -> Effects:
        """Fold one arriving revision in; `stored` is what its identity counted as until now."""
        if stored is not None and stored.revision >= arrival.revision:
            return _NOTHING_TO_TELL[Outcome.DUPLICATE]
        state.touched.changed = True
        changed = SUMS_BIT
        if stored is None and not arrival.revoked:  # as nearly always
            outcome = Outcome.APPLIED
            changed |= self._put_in(state, arrival)
            name_zone(state, arrival)
        else:
            outcome = Outcome.REVOKED if arrival.revoked else Outcome.REVISED
            changed |= self._replace(state, arrival, stored)
        level_changes = self._relevel(state, arrival, stored)
        if level_changes:
            changed |= LEVELS_BIT
        due = self._ladders.due(state, changed)
        if due:
            return Effects(outcome, self._unlock(state, arrival, due), level_changes)
        return Effects(outcome, (), level_changes) if level_changes else _NOTHING_TO_TELL[outcome]

    def _replace(self, state: LearnerState, arrival: Completion, stored: Completion | None) -> int:
        """Put the arrival in the stored revision's place; returns what it changed."""
        changed = 0
        if stored is not None and not stored.revoked:
            changed |= self._take_out(state, stored)
        if not arrival.revoked:
            changed |= self._put_in(state, arrival)
        if stored is not None:
            rename_zone(state, arrival, stored)
        return changed

    def _put_in(self, state: LearnerState, completion: Completion) -> int:
        """Put the completion's share into every sum; returns what it changed."""
        topic, _ = self._sum(state, completion, 1)
        changed = self._counters.count(state.counters, completion, 1)
        if topic.completions == 1:
            changed |= TOPICS_BIT
        if state.active_days.add(completion.local_day):
            changed |= DAYS_BIT
        return changed

    def _take_out(self, state: LearnerState, completion: Completion) -> int:
        topic, day = self._sum(state, completion, -1)
        state.touched.taken_back = True
        changed = self._counters.count(state.counters, completion, -1)
        if topic.completions == 0:
            changed |= TOPICS_BIT
        if not any(totals.completions for totals in day.values()):
            state.active_days.remove(completion.local_day)
            changed |= DAYS_BIT
        return changed

    @staticmethod
    def _sum(
        state: LearnerState, completion: Completion, sign: int
    ) -> tuple[Totals, dict[Cell, Totals]]:
        """Returns the topic's sum and the day's cells; what has to be saved is marked."""
        cell = completion.topic, completion.difficulty
        local_day, touched = completion.local_day, state.touched
        topic = state.topics.get(cell[0])
        if topic is None:
            topic = state.topics[cell[0]] = Totals()
        totals = state.totals.get(cell)
        if totals is None:
            totals = state.totals[cell] = Totals()
            touched.totals[cell] = True
        else:
            touched.totals.setdefault(cell, False)
        day = state.days.get(local_day)
        if day is None:
            day = state.days[local_day] = {}
        of_day = day.get(cell)
        if of_day is None:
            of_day = day[cell] = Totals()
            touched.days[local_day, cell] = True
        else:
            touched.days.setdefault((local_day, cell), False)
        share((state.overall, topic, totals, of_day), completion, sign)
        return topic, day

    def _relevel(
        self, state: LearnerState, arrival: Completion, stored: Completion | None
    ) -> Sequence[LevelChange]:
        if stored is None or stored.topic == arrival.topic:
            change = self._relevel_topic(state, arrival.topic, arrival)
            return () if change is None else (change,)
        found = (
            self._relevel_topic(state, topic, arrival)
            for topic in sorted((arrival.topic, stored.topic))
        )
        return [change for change in found if change is not None]

    def _relevel_topic(
        self, state: LearnerState, topic: str, arrival: Completion
    ) -> LevelChange | None:
        totals = state.topics.get(topic)
        if totals is None:
            return None
        before, level = state.level(topic).level, self._level_rules.level(totals)
        if level == before:
            return None
        state.levels[topic] = SkillLevel(level, before, arrival.completed_at)
        state.touched.levels[topic] = state.levels[topic]
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
        self, state: LearnerState, trigger: Completion, due: Sequence[Step]
    ) -> Sequence[Unlock]:
        state.unlocked.update(step.name for step in due)
        return [
            Unlock(
                state.user_id,
                step.achievement,
                trigger,
                step.condition.progress(state),
                self.catalogue.version,
            )
            for step in due
        ]


class Rebuild:
    """Derives a state from nothing but stored completions, which are added oldest first.

    Nothing is taken away from `unlocked`.
    """

    def __init__(self, reducer: Reducer, user_id: str, unlocked: set[str]) -> None:
        self._reducer = reducer
        self._unlocked = unlocked
        self._state = reducer.new_learner(user_id)
        self._state.unlocked = set(unlocked)
        self._met: list[Unlock] = []

    def add(self, completion: Completion) -> None:
        """Fold the next completion in; one that was revoked counts nowhere."""
        if not completion.revoked:
            self._met += self._reducer.apply(self._state, completion, None).unlocks

    def finish(self) -> tuple[LearnerState, list[Unlock]]:
        """The state, and the unlocks that are earned now and were not there.

        Each unlock has the completion that first met its rule.
        """
        state = self._state
        holding = {a.id for a, condition in self._reducer.conditions if condition.holds(state)}
        earned = [u._replace(backdated=True) for u in self._met if u.achievement.id in holding]
        state.unlocked = self._unlocked | {unlock.achievement.id for unlock in earned}
        state.next_targets = []
        return state, earned
