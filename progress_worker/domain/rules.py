"""What each kind of achievement rule measures, and when it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final, NamedTuple

from progress_worker.domain import rule_kinds as spec
from progress_worker.domain.filters import Filter, filter_of
from progress_worker.domain.skills import LEVELS, RANK
from progress_worker.domain.state import LearnerState
from progress_worker.domain.streaks import StreakPolicy

#: The parts of a learner's state that an event may change and a rule may read, one bit each;
#: the counts that match a filter have the bits from FIRST_FILTER_BIT upwards.
SUMS_BIT: Final = 1
DAYS_BIT: Final = 2
LEVELS_BIT: Final = 4
TOPICS_BIT: Final = 8
UNLOCKS_BIT: Final = 16
FIRST_FILTER_BIT: Final = 32

#: The measure of a rule that is made of others: 1 when it holds, else 0.
COMBINED: Final = "combined"

Value = Callable[[LearnerState], int]


class Progress(NamedTuple):
    """How far a learner is with a rule: it holds when current reaches target.

    A rule that is made of others, or requires achievements, has one node for each of them in
    `parts`.
    """

    measure: str
    current: int
    target: int
    parts: tuple[Progress, ...] = ()

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means done."""
        return min(100, self.current * 100 // self.target)


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled rule: it holds when what it measures reaches its target.

    `inputs` and `filters` say what parts of the state it reads. `shown` gives the progress to show
    where that says more than the measured value.
    """

    inputs: int
    filters: frozenset[Filter]
    measure: str
    value: Value
    target: int
    shown: Callable[[LearnerState], Progress] | None = None

    def holds(self, state: LearnerState) -> bool:
        """Whether the rule is met."""
        return self.value(state) >= self.target

    def progress(self, state: LearnerState) -> Progress:
        """How far the learner is with the rule."""
        if self.shown is not None:
            return self.shown(state)
        return Progress(self.measure, self.value(state), self.target)


def compile_rule(rule: spec.Rule, policy: StreakPolicy) -> Condition:
    """Turn a rule of the rule book into a condition; streaks follow the book's policy."""
    if rule.exercises_completed:
        return _exercises(rule.exercises_completed, policy.week_starts_on)
    if rule.streak:
        return _streak(rule.streak, policy)
    if rule.skill_level:
        return _skill_level(rule.skill_level)
    if rule.time_spent:
        return _time_spent(rule.time_spent, policy.week_starts_on)
    if rule.distinct_topics:
        target = rule.distinct_topics.at_least
        return _reading(TOPICS_BIT, "distinct_topics", _distinct_topics, target)
    if rule.active_days:
        return _reading(DAYS_BIT, "active_days", _active_days, rule.active_days.at_least)
    if rule.all:
        return _all([compile_rule(part, policy) for part in rule.all])
    return _any([compile_rule(part, policy) for part in rule.any or ()])


def requiring(rule: Condition, required: Sequence[str]) -> Condition:
    """The condition that also asks for these achievements.

    Its progress is that of the rule, and then the number of the achievements that are unlocked.
    """
    if not required:
        return rule

    def value(state: LearnerState) -> int:
        for name in required:
            if name not in state.unlocked:
                return 0
        return rule.value(state)

    def progress(state: LearnerState) -> Progress:
        own = rule.progress(state)
        held = [name in state.unlocked for name in required]
        nodes = [
            Progress(f"unlocked[achievement={name}]", int(has), 1)
            for name, has in zip(required, held, strict=True)
        ]
        shown = own
        if not all(held) and own.current >= own.target:
            shown = Progress("achievements_required", sum(held), len(held))
        return shown._replace(parts=(own, *nodes))

    return Condition(
        rule.inputs | UNLOCKS_BIT, rule.filters, COMBINED, value, rule.target, progress
    )


def multiple(rule: Condition, times: int) -> Condition:
    """The condition for a multiple of the target."""
    target = times * rule.target

    def progress(state: LearnerState) -> Progress:
        return rule.progress(state)._replace(target=target)

    return Condition(rule.inputs, rule.filters, rule.measure, rule.value, target, progress)


def of_week(rule: Condition, week: int) -> Condition:
    """The condition on one week of a rule about the best week."""
    (found,) = rule.filters
    key, name = found.key, str(week)

    def value(state: LearnerState) -> int:
        weeks = state.buckets.get(key)
        return 0 if weeks is None else weeks.get(name, 0)

    return Condition(0, rule.filters, rule.measure, value, rule.target)


def _exercises(part: spec.ExercisesCompleted, week_starts_on: int) -> Condition:
    if found := filter_of(part, week_starts_on):
        return _counted("exercises_completed", found, part.at_least)
    if part.topic is None:
        return _reading(
            SUMS_BIT, "exercises_completed", lambda state: state.overall.completions, part.at_least
        )
    topic = part.topic
    return _reading(
        SUMS_BIT,
        f"exercises_completed[topic={topic}]",
        lambda state: state.topics[topic].completions if topic in state.topics else 0,
        part.at_least,
    )


def _time_spent(part: spec.TimeSpent, week_starts_on: int) -> Condition:
    if found := filter_of(part, week_starts_on, sums_time=True):
        return _counted("time_spent_seconds", found, part.seconds)
    if part.topic is None:
        return _reading(
            SUMS_BIT,
            "time_spent_seconds",
            lambda state: state.overall.time_spent_seconds,
            part.seconds,
        )
    topic = part.topic
    return _reading(
        SUMS_BIT,
        f"time_spent_seconds[topic={topic}]",
        lambda state: state.topics[topic].time_spent_seconds if topic in state.topics else 0,
        part.seconds,
    )


def _skill_level(part: spec.SkillLevelReached) -> Condition:
    rank = RANK[part.level]
    if part.topic is not None:
        topic = part.topic
        measure = f"skill_level_rank[topic={topic}]"
        return _reading(LEVELS_BIT, measure, lambda state: RANK[state.level(topic).level], rank)
    reaching = frozenset(LEVELS[rank:])

    def topics_at_level(state: LearnerState) -> int:
        reached = 0
        for skill in state.levels.values():
            if skill.level in reaching:
                reached += 1
        return reached

    measure = f"topics_at_level[level={part.level}]"
    return _reading(LEVELS_BIT, measure, topics_at_level, part.topics or 1)


def _streak(part: spec.StreakReached, policy: StreakPolicy) -> Condition:
    if part.weeks is not None:
        return _reading(
            DAYS_BIT,
            "longest_streak_weeks",
            lambda state: state.streaks.longest_weeks(policy),
            part.weeks,
        )
    return _reading(
        DAYS_BIT,
        "longest_streak_days",
        lambda state: state.streaks.longest_days(policy),
        part.days or 0,
    )


def _active_days(state: LearnerState) -> int:
    return len(state.active_days)


def _distinct_topics(state: LearnerState) -> int:
    return sum(totals.completions > 0 for totals in state.topics.values())


def _all(parts: list[Condition]) -> Condition:
    """Holds when every part does; its progress is the number of parts that hold."""

    def all_hold(state: LearnerState) -> bool:
        for part in parts:  # noqa: SIM110  a generator would cost more than the rules
            if part.value(state) < part.target:
                return False
        return True

    def parts_met(state: LearnerState) -> Progress:
        nodes = tuple([part.progress(state) for part in parts])
        met = sum(part.holds(state) for part in parts)
        return Progress("parts_met", met, len(parts), nodes)

    return _combined(parts, all_hold, parts_met)


def _any(parts: list[Condition]) -> Condition:
    """Holds when one part does; its progress is that of the part nearest to its target."""

    def any_holds(state: LearnerState) -> bool:
        for part in parts:  # noqa: SIM110
            if part.value(state) >= part.target:
                return True
        return False

    def nearest(state: LearnerState) -> Progress:
        nodes = tuple([part.progress(state) for part in parts])
        return max(nodes, key=lambda p: p.current / p.target)._replace(parts=nodes)

    return _combined(parts, any_holds, nearest)


def _combined(
    parts: list[Condition],
    holds: Callable[[LearnerState], bool],
    progress: Callable[[LearnerState], Progress],
) -> Condition:
    inputs = reduce(or_, (part.inputs for part in parts))
    filters = frozenset[Filter]().union(*(part.filters for part in parts))
    return Condition(inputs, filters, COMBINED, holds, 1, progress)


def _counted(measure: str, found: Filter, target: int) -> Condition:
    key = found.key
    return Condition(
        0,
        frozenset([found]),
        f"{measure}[{found.conditions}]",
        lambda state: state.counters.get(key, 0),
        target,
    )


def _reading(inputs: int, measure: str, value: Value, target: int) -> Condition:
    return Condition(inputs, frozenset(), measure, value, target)
