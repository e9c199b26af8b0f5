"""Folds completions into a learner's state, one event at a time, in the order of arrival."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from progress_worker.domain.catalogue import Achievement, Catalogue
from progress_worker.domain.completion import Completion
from progress_worker.domain.rules import Condition, Filter, Input, Progress, compile_rule, filters
from progress_worker.domain.skills import LevelRules
from progress_worker.domain.state import Cell, LearnerState, NamedZone, SkillLevel
from progress_worker.domain.totals import Totals
from progress_worker.events.models import Level


class Outcome(StrEnum):
    """What an arriving event did to the learner's progress."""

    APPLIED = "applied"
    REVISED = "revised"
    REVOKED = "revoked"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Unlock:
    """A rule was met for the first time; `trigger` is the event that completed it."""

    user_id: str
    achievement: Achievement
    trigger: Completion
    progress: Progress
    rule_version: int
    backdated: bool = False


@dataclass(frozen=True, slots=True)
class LevelChange:
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


@dataclass(slots=True)
class Effects:
    """What the outside has to be told, in the order in which it happened."""

    outcome: Outcome
    unlocks: list[Unlock]
    level_changes: list[LevelChange]


class Reducer:
    """The rules of one catalogue and one set of level thresholds."""

    def __init__(self, catalogue: Catalogue, level_rules: LevelRules) -> None:
        self.catalogue = catalogue
        self._level_rules = level_rules
        self.conditions = [
            (achievement, compile_rule(achievement.rule)) for achievement in catalogue.achievements
        ]
        self._filters: list[Filter] = list(
            dict.fromkeys(f for a in catalogue.achievements for f in filters(a.rule))
        )
        self._zero_counters = {found.key: 0 for found in self._filters}
        self._reading = {
            inputs: [pair for pair in self.conditions if pair[1].inputs & inputs]
            for inputs in map(Input, range(1, 2 ** len(Input)))
        }

    def new_learner(self, user_id: str) -> LearnerState:
        """The state of a learner without a completion."""
        state = LearnerState(user_id)
        self.reset_counters(state)
        return state

    def counts_match(self, state: LearnerState) -> bool:
        """Whether the state has a counter for every filter; not so after a new catalogue."""
        return state.counters.keys() >= self._zero_counters.keys()

    def reset_counters(self, state: LearnerState) -> None:
        """Forget what was counted; every completion that counts has to be counted again."""
        state.counters = dict(self._zero_counters)

    def count(self, state: LearnerState, completion: Completion, sign: int = 1) -> None:
        """Count the completion under every filter that it matches."""
        for found in self._filters:
            if found.matches(completion):
                state.counters[found.key] += sign

    def apply(self, state: LearnerState, arrival: Completion, stored: Completion | None) -> Effects:
        """Fold one arriving revision in; `stored` is what its identity counted as until now."""
        if stored is not None and stored.revision >= arrival.revision:
            return Effects(Outcome.DUPLICATE, [], [])
        inputs = self._replace(state, arrival, stored)
        changes = [
            change
            for topic in sorted({arrival.topic, stored.topic if stored else arrival.topic})
            if (change := self._relevel(state, topic, arrival))
        ]
        if changes:
            inputs |= Input.LEVELS
        return Effects(_outcome(arrival, stored), self._unlock(state, arrival, inputs), changes)

    def rebuild(
        self, user_id: str, completions: Iterable[Completion], unlocked: set[str]
    ) -> tuple[LearnerState, list[Unlock]]:
        """Derive a state from nothing but stored completions, oldest first.

        Returns it with the unlocks that are earned now and not in `unlocked`, each with the
        completion that first met its rule. Nothing is taken away from `unlocked`.
        """
        state = self.new_learner(user_id)
        state.unlocked = set(unlocked)
        met: list[Unlock] = []
        for completion in completions:
            if not completion.revoked:
                met += self.apply(state, completion, None).unlocks
        holding = {a.id for a, condition in self.conditions if condition.holds(state)}
        earned = [replace(u, backdated=True) for u in met if u.achievement.id in holding]
        state.unlocked = unlocked | {unlock.achievement.id for unlock in earned}
        return state, earned

    def _replace(
        self, state: LearnerState, arrival: Completion, stored: Completion | None
    ) -> Input:
        inputs = Input.SUMS
        state.touched.changed = True
        if stored is not None and not stored.revoked:
            inputs |= self._take_out(state, stored)
        if not arrival.revoked:
            inputs |= self._put_in(state, arrival)
        return inputs

    def _put_in(self, state: LearnerState, completion: Completion) -> Input:
        inputs = Input(0)
        if self._sum(state, completion, 1).completions == 1:
            inputs |= Input.TOPICS
        if state.active_days.add(completion.local_day):
            inputs |= Input.DAYS
        if completion.timezone is not None:
            named = NamedZone(completion.completed_at, completion.event_id, completion.timezone)
            if state.zone is None or named > state.zone:
                state.zone = named
        return inputs

    def _take_out(self, state: LearnerState, completion: Completion) -> Input:
        inputs = Input(0)
        if self._sum(state, completion, -1).completions == 0:
            inputs |= Input.TOPICS
        day = state.days[completion.local_day]
        if not any(totals.completions for totals in day.values()):
            state.active_days.remove(completion.local_day)
            inputs |= Input.DAYS
        if state.zone is not None and state.zone.event_id == completion.event_id:
            state.zone = None
            state.touched.zone_lost = True
        return inputs

    def _sum(self, state: LearnerState, completion: Completion, sign: int) -> Totals:
        """Put the completion's share into every sum, or take it out; returns the topic's sum."""
        cell = Cell(completion.topic, completion.difficulty)
        day = state.days.setdefault(completion.local_day, {})
        topic = state.topics.setdefault(completion.topic, Totals())
        for totals in (
            state.overall,
            topic,
            state.totals.setdefault(cell, Totals()),
            day.setdefault(cell, Totals()),
        ):
            totals.add(completion, sign)
        self.count(state, completion, sign)
        state.touched.totals.add(cell)
        state.touched.days.add((completion.local_day, cell))
        return topic

    def _relevel(self, state: LearnerState, topic: str, arrival: Completion) -> LevelChange | None:
        totals = state.topics.get(topic)
        before = state.level(topic)
        level = self._level_rules.level(totals) if totals else "beginner"
        if totals is None or level == before.level:
            return None
        state.levels[topic] = SkillLevel(level, before.level, arrival.completed_at)
        state.touched.levels.add(topic)
        return LevelChange(
            user_id=state.user_id,
            topic=topic,
            previous_level=before.level,
            level=level,
            changed_at=arrival.completed_at,
            triggering_event_id=arrival.event_id,
            triggering_revision=arrival.revision,
            completions=totals.completions,
            average_grade=totals.average_grade,
        )

    def _unlock(self, state: LearnerState, trigger: Completion, inputs: Input) -> list[Unlock]:
        unlocks = []
        for achievement, condition in self._reading[inputs]:
            if achievement.id not in state.unlocked and condition.holds(state):
                state.unlocked.add(achievement.id)
                unlocks.append(self._unlocked(state, achievement, condition, trigger))
        return unlocks

    def _unlocked(
        self,
        state: LearnerState,
        achievement: Achievement,
        condition: Condition,
        trigger: Completion,
    ) -> Unlock:
        progress = condition.progress(state)
        return Unlock(state.user_id, achievement, trigger, progress, self.catalogue.version)


def latest_zone(completions: Iterable[Completion]) -> NamedZone | None:
    """The zone named by the latest completion that names one and counts."""
    return max(
        (
            NamedZone(c.completed_at, c.event_id, c.timezone)
            for c in completions
            if c.timezone is not None and not c.revoked
        ),
        default=None,
    )


def _outcome(arrival: Completion, stored: Completion | None) -> Outcome:
    if arrival.revoked:
        return Outcome.REVOKED
    return Outcome.APPLIED if stored is None else Outcome.REVISED
