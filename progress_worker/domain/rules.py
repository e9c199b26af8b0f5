"""What each kind of achievement rule measures, and when it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Flag, auto
from typing import NamedTuple

from progress_worker.domain import catalogue as spec
from progress_worker.domain.completion import Completion
from progress_worker.domain.skills import RANK
from progress_worker.domain.state import LearnerState


class Input(Flag):
    """The parts of a learner's state that an event may change and a rule may read."""

    SUMS = auto()
    DAYS = auto()
    LEVELS = auto()
    TOPICS = auto()


class Progress(NamedTuple):
    """How far a learner is with a rule: it holds when current reaches target."""

    measure: str
    current: int
    target: int

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means done."""
        return min(100, self.current * 100 // self.target)


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule made ready to be asked: which inputs it reads, whether it holds, how far it is."""

    inputs: Input
    holds: Callable[[LearnerState], bool]
    progress: Callable[[LearnerState], Progress]


class Filter(NamedTuple):
    """A condition on single completions, counted per learner under `key`."""

    key: str
    topic: str | None
    difficulty: str | None
    min_hundredths: int | None
    max_hints: int | None

    def matches(self, completion: Completion) -> bool:
        """Whether the completion counts; an ungraded one never meets a least grade."""
        grade = completion.grade_hundredths
        return (
            (self.difficulty is None or completion.difficulty == self.difficulty)
            and (self.topic is None or completion.topic == self.topic)
            and (
                self.min_hundredths is None or (grade is not None and grade >= self.min_hundredths)
            )
            and (self.max_hints is None or completion.hints_used <= self.max_hints)
        )


def compile_rule(rule: spec.Rule) -> Condition:
    """Turn a rule of the catalogue into a condition."""
    if rule.exercises_completed:
        return _exercises(rule.exercises_completed)
    if rule.streak:
        return _measured(Input.DAYS, "longest_streak_days", _longest_streak, rule.streak.days)
    if rule.skill_level:
        return _skill_level(rule.skill_level)
    if rule.time_spent:
        return _time_spent(rule.time_spent)
    if rule.distinct_topics:
        target = rule.distinct_topics.at_least
        return _measured(Input.TOPICS, "distinct_topics", _distinct_topics, target)
    if rule.all:
        return _all([compile_rule(part) for part in rule.all])
    return _any([compile_rule(part) for part in rule.any or ()])


def filters(rule: spec.Rule) -> Iterator[Filter]:
    """Every filter whose matches have to be counted to answer the rule."""
    if rule.exercises_completed and (found := _filter(rule.exercises_completed)):
        yield found
    for part in (rule.all or ()) + (rule.any or ()):
        yield from filters(part)


def _measured(
    inputs: Input, measure: str, value: Callable[[LearnerState], int], target: int
) -> Condition:
    return Condition(
        inputs,
        lambda state: value(state) >= target,
        lambda state: Progress(measure, value(state), target),
    )


def _filter(part: spec.ExercisesCompleted) -> Filter | None:
    """The filter to count by; None where the sums answer already."""
    if part.difficulty is None and part.min_grade is None and part.max_hints is None:
        return None
    given = part.model_dump(exclude={"at_least"}, exclude_none=True)
    key = ",".join(f"{name}={value}" for name, value in given.items())
    least = None if part.min_grade is None else round(part.min_grade * 100)
    return Filter(key, part.topic, part.difficulty, least, part.max_hints)


def _exercises(part: spec.ExercisesCompleted) -> Condition:
    if found := _filter(part):
        key = found.key
        measure = f"exercises_completed[{key}]"
        return _measured(Input.SUMS, measure, lambda state: state.counters[key], part.at_least)
    if part.topic is None:
        return _measured(
            Input.SUMS, "exercises_completed", lambda s: s.overall.completions, part.at_least
        )
    topic = part.topic
    return _measured(
        Input.SUMS,
        f"exercises_completed[topic={topic}]",
        lambda s: s.topics[topic].completions if topic in s.topics else 0,
        part.at_least,
    )


def _time_spent(part: spec.TimeSpent) -> Condition:
    if part.topic is None:
        return _measured(
            Input.SUMS, "time_spent_seconds", lambda s: s.overall.time_spent_seconds, part.seconds
        )
    topic = part.topic
    return _measured(
        Input.SUMS,
        f"time_spent_seconds[topic={topic}]",
        lambda s: s.topics[topic].time_spent_seconds if topic in s.topics else 0,
        part.seconds,
    )


def _skill_level(part: spec.SkillLevel) -> Condition:
    rank = RANK[part.level]
    if part.topic is not None:
        topic = part.topic
        measure = f"skill_level_rank[topic={topic}]"
        return _measured(Input.LEVELS, measure, lambda s: RANK[s.level(topic).level], rank)

    def topics_at_level(state: LearnerState) -> int:
        return sum(RANK[skill.level] >= rank for skill in state.levels.values())

    return _measured(
        Input.LEVELS, f"topics_at_level[level={part.level}]", topics_at_level, part.topics or 1
    )


def _longest_streak(state: LearnerState) -> int:
    return state.active_days.longest


def _distinct_topics(state: LearnerState) -> int:
    return sum(totals.completions > 0 for totals in state.topics.values())


def _inputs(parts: list[Condition]) -> Input:
    inputs = Input(0)
    for part in parts:
        inputs |= part.inputs
    return inputs


def _all(parts: list[Condition]) -> Condition:
    """Holds when every part does; its progress is the number of parts that hold."""
    return Condition(
        _inputs(parts),
        lambda state: all(part.holds(state) for part in parts),
        lambda state: Progress("parts_met", sum(p.holds(state) for p in parts), len(parts)),
    )


def _any(parts: list[Condition]) -> Condition:
    """Holds when one part does; its progress is that of the part nearest to its target."""
    return Condition(
        _inputs(parts),
        lambda state: any(part.holds(state) for part in parts),
        lambda state: max(
            (part.progress(state) for part in parts), key=lambda p: p.current / p.target
        ),
    )
