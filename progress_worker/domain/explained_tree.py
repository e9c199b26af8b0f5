"""What is explained, and its rule as a tree: what each node measures, and what it asks for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from progress_worker.domain import rule_kinds as spec
from progress_worker.domain.achievements import Achievement, Retired
from progress_worker.domain.days import Run
from progress_worker.domain.filters import Filter, any_filter_of
from progress_worker.domain.occurrences import condition_of, has_occurrence
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rules import Condition, Progress
from progress_worker.domain.skills import RANK
from progress_worker.domain.state import LearnerState
from progress_worker.domain.streak_runs import longest_days_run, longest_weeks_run


class Subject(NamedTuple):
    """An achievement by a rule book.

    Without an `occurrence`, it is the first one. Of what repeats with each week, it is the best
    week then.
    """

    book: RuleBook
    achievement: Achievement
    condition: Condition
    occurrence: int | None = None

    @property
    def week(self) -> int | None:
        """The week of an occurrence, as in 202648."""
        return self.occurrence if self.achievement.repeat == "each_week" else None


def subject_of(book: RuleBook, achievement_id: str, occurrence: int | None) -> Subject | None:
    """The achievement by this rule book; None if it has no such achievement or occurrence."""
    for achievement, condition in book.conditions:
        if achievement.id == achievement_id:
            if occurrence is None:
                return Subject(book, achievement, condition)
            if has_occurrence(achievement, occurrence):
                own = condition_of(achievement, condition, occurrence)
                return Subject(book, achievement, own, occurrence)
    return None


#: `absent` is what a rule book does not have.
RuleStatus = Literal["active", "retired", "paused", "closed", "withdrawn", "absent"]


def status_in(book: RuleBook, achievement_id: str) -> RuleStatus:
    """The achievement's status in the rule book."""
    for each in book.content.each_achievement():
        if each.id == achievement_id:
            return "retired" if isinstance(each.status, Retired) else each.status
    return "absent"


class Node(NamedTuple):
    """A rule or a part of one; or with `requires` an achievement that has to be unlocked.

    It holds when `value` reaches `target`. The root of an achievement that requires others has
    neither `rule` nor `requires`: its parts are its own rule and what it requires.
    """

    #: From 0 in the order in which the tree is written.
    number: int
    progress: Progress
    rule: spec.Rule | None = None
    requires: str | None = None
    parts: tuple[Node, ...] = ()
    #: What a counting rule counts.
    counts: Filter | None = None
    #: The day, week or month that counts, named as `bucket_of` does; None if none counts yet.
    window: str | None = None
    #: The first and the last day of the longest streak.
    days: Run | None = None
    #: The topics that have the level.
    topics: frozenset[str] = frozenset()

    @property
    def holds(self) -> bool:
        """Whether it is met."""
        return self.progress.current >= self.progress.target

    @property
    def missing(self) -> int:
        """How much is missing to the target."""
        return max(0, self.progress.target - self.progress.current)

    def written(self) -> dict[str, Any] | None:
        """The rule as a rule book writes it."""
        if self.rule is None:
            return None
        return self.rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def each(self) -> Iterator[Node]:
        """The node and all nodes below it."""
        yield self
        for part in self.parts:
            yield from part.each()


def tree_of(subject: Subject, state: LearnerState) -> Node:
    """The rule of the subject, measured in a state that is complete by its rule book.

    The state has every bucket.
    """
    return _Tree(subject, state).root()


class _Tree:
    def __init__(self, subject: Subject, state: LearnerState) -> None:
        self._subject = subject
        self._state = state
        self._policy = subject.book.streak_policy
        self._numbers = itertools.count()

    def root(self) -> Node:
        achievement = self._subject.achievement
        progress = self._subject.condition.progress(self._state)
        if not achievement.requires:
            return self._node(achievement.rule, progress)
        number, (own, *required) = next(self._numbers), progress.parts
        parts = [self._node(achievement.rule, own)]
        for name, node in zip(achievement.requires, required, strict=True):
            parts.append(Node(next(self._numbers), node, requires=name))
        return Node(number, progress, parts=tuple(parts))

    def _node(self, rule: spec.Rule, progress: Progress) -> Node:
        node = Node(next(self._numbers), progress, rule)
        if counted := spec.counting(rule):
            return self._counting(node, counted)
        if rule.streak:
            run = longest_days_run if rule.streak.days else longest_weeks_run
            return node._replace(days=run(self._state.streaks, self._policy))
        if rule.skill_level:
            return node._replace(topics=self._topics(rule.skill_level))
        parts = zip(rule.all or rule.any or (), progress.parts, strict=True)
        return node._replace(parts=tuple([self._node(*part) for part in parts]))

    def _counting(self, node: Node, counted: spec.Counting) -> Node:
        if self._subject.achievement.repeat == "each_week":
            counted = counted.model_copy(update={"within": "week"})
        sums_time = isinstance(counted, spec.TimeSpent)
        found = any_filter_of(counted, self._policy.week_starts_on, sums_time)
        if counted.within is None:
            return node._replace(counts=found)
        if self._subject.week is not None:
            return node._replace(counts=found, window=str(self._subject.week))
        return node._replace(counts=found, window=self._best(found, node.progress.current))

    def _best(self, found: Filter, value: int) -> str | None:
        """The first of the best windows; None where its completions may be deleted."""
        windows = self._state.buckets.get(found.key, {})
        return min((name for name, n in windows.items() if n == value and n), default=None)

    def _topics(self, asked: spec.SkillLevelReached) -> frozenset[str]:
        if asked.topic is not None:
            return frozenset([asked.topic])
        at_least = RANK[asked.level]
        levels = self._state.levels.items()
        return frozenset(topic for topic, found in levels if RANK[found.level] >= at_least)
