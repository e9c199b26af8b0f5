"""What the rules of a rule book measure, counted again from all completions.

It shares only the classes of facts with the worker's rules.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from progress_worker.domain.completion import Completion
from tests.naive import (
    LEVELS,
    NO_FREEZES,
    THRESHOLDS,
    Ordinals,
    Thresholds,
    days_of,
    level,
    most_days,
    most_weeks,
)
from tests.naive_filters import passing
from tests.naive_travel import NaivePolicy


class Measures:
    """What rules of a catalogue measure of the same completions; parts are counted once."""

    def __init__(
        self,
        done: Sequence[Completion],
        thresholds: Thresholds = THRESHOLDS,
        policy: NaivePolicy = NO_FREEZES,
    ) -> None:
        self._done = done
        self._thresholds = thresholds
        self._policy = policy
        self._levels: dict[str, str] = {}

    @cached_property
    def _longest_days(self) -> int:
        return most_days(*self._days, self._policy.cap, self._policy.earn_every)

    @cached_property
    def _longest_weeks(self) -> int:
        return most_weeks(*self._days, self._policy.week_starts_on, self._policy.week_days)

    @cached_property
    def _days(self) -> tuple[Ordinals, Ordinals]:
        return days_of(self._done, self._policy)

    def level(self, topic: str) -> str:
        """The highest level of a topic whose both conditions hold."""
        if topic not in self._levels:
            self._levels[topic] = level(self._done, topic, self._thresholds)
        return self._levels[topic]

    def of(self, rule: Mapping[str, Any]) -> tuple[int, int]:
        """What a rule, as it stands in the YAML, measures and what it asks for."""
        ((kind, ask),) = rule.items()
        if kind == "all":
            parts = [self.of(part) for part in ask]
            return sum(value >= target for value, target in parts), len(parts)
        if kind == "any":
            return max((self.of(part) for part in ask), key=lambda part: part[0] / part[1])
        if kind == "streak":
            if "weeks" in ask:
                return self._longest_weeks, ask["weeks"]
            return self._longest_days, ask["days"]
        if kind in ("distinct_topics", "active_days"):
            kept = {c.topic if kind == "distinct_topics" else c.local_day for c in self._done}
            return len(kept), ask["at_least"]
        if kind == "skill_level":
            return self._skill(ask)
        return _counted(kind, ask, passing(self._done, ask), self._policy)

    def occurrences(
        self, rule: Mapping[str, Any], repeat: str | None
    ) -> dict[int, tuple[int, int]]:
        """The occurrences that hold: what each measured, and what it asked for."""
        if repeat == "each_week":
            found = {
                week: measured(rule, some, self._thresholds, self._policy)
                for week, some in self._weeks.items()
            }
            return {week: found[week] for week in sorted(found) if found[week][0] >= found[week][1]}
        value, target = self.of(rule)
        most = 100 if repeat == "each_multiple" else 1
        return {n: (value, n * target) for n in range(1, most + 1) if value >= n * target}

    @cached_property
    def _weeks(self) -> dict[int, list[Completion]]:
        weeks: dict[int, list[Completion]] = defaultdict(list)
        for completion in self._done:
            weeks[iso_week(completion, self._policy)].append(completion)
        return weeks

    def _skill(self, ask: Mapping[str, Any]) -> tuple[int, int]:
        rank = LEVELS.index(ask["level"])
        if "topic" in ask:
            return LEVELS.index(self.level(ask["topic"])), rank
        topics = {c.topic for c in self._done}
        reached = [LEVELS.index(self.level(topic)) >= rank for topic in topics]
        return sum(reached), ask.get("topics", 1)


def measured(
    rule: Mapping[str, Any],
    done: Sequence[Completion],
    thresholds: Thresholds = THRESHOLDS,
    policy: NaivePolicy = NO_FREEZES,
) -> tuple[int, int]:
    """What one rule measures and what it asks for."""
    return Measures(done, thresholds, policy).of(rule)


def _counted(
    kind: str, ask: Mapping[str, Any], matching: Sequence[Completion], policy: NaivePolicy
) -> tuple[int, int]:
    if "within" in ask:
        whole = {name: value for name, value in ask.items() if name != "within"}
        windows = {_window(c, ask["within"], policy) for c in matching}
        within = ([c for c in matching if _window(c, ask["within"], policy) == w] for w in windows)
        best = max((measured({kind: whole}, each)[0] for each in within), default=0)
        return best, ask.get("at_least") or ask["seconds"]
    if kind == "time_spent":
        return sum(c.time_spent_seconds for c in matching), ask["seconds"]
    assert kind == "exercises_completed", kind
    if ask.get("distinct"):
        return len({c.exercise_id for c in matching}), ask["at_least"]
    return len(matching), ask["at_least"]


def naive_occurrences(
    rule: Mapping[str, Any],
    repeat: str | None,
    done: Sequence[Completion],
    policy: NaivePolicy = NO_FREEZES,
) -> dict[int, tuple[int, int]]:
    """The occurrences of an achievement that hold: what each measured, and what it asked for."""
    return Measures(done, THRESHOLDS, policy).occurrences(rule, repeat)


def iso_week(c: Completion, policy: NaivePolicy) -> int:
    """The ISO year and week of the fourth day of the completion's week, as in 202648."""
    return _iso_week(c.local_day, policy.week_starts_on)


# What is counted again after every event asks for the same days again and again.
@lru_cache(maxsize=4_096)
def _iso_week(day: dt.date, starts_on: int) -> int:
    return int(f"{_first_day_of_week(day, starts_on) + dt.timedelta(days=3):%G%V}")


def _first_day_of_week(day: dt.date, starts_on: int) -> dt.date:
    while day.weekday() != starts_on:
        day -= dt.timedelta(days=1)
    return day


def _window(c: Completion, within: str, policy: NaivePolicy) -> dt.date:
    """The first day of the completion's day, week or month."""
    day = c.local_day
    if within == "month":
        return day.replace(day=1)
    return _first_day_of_week(day, policy.week_starts_on) if within == "week" else day


def naive_unlocks(
    rules: Sequence[Mapping[str, Any]],
    requires: Mapping[int, Sequence[int]],
    done: Sequence[Completion],
    kept: Set[int],
    thresholds: Thresholds = THRESHOLDS,
    policy: NaivePolicy = NO_FREEZES,
) -> set[int]:
    """The positions of the rules that are unlocked with these completions, those kept included."""
    measures = Measures(done, thresholds, policy)
    progress = [measures.of(rule) for rule in rules]
    holding = {position for position, (value, target) in enumerate(progress) if value >= target}
    unlocked = set(kept)
    for _ in rules:
        unlocked |= {each for each in holding if {*requires.get(each, ())} <= unlocked}
    return unlocked


def naive_counted(
    rule: Mapping[str, Any],
    repeat: str | None,
    occurrence: int | None,
    done: Sequence[Completion],
    thresholds: Thresholds = THRESHOLDS,
    policy: NaivePolicy = NO_FREEZES,
) -> list[tuple[tuple[int, int], set[UUID]]]:
    """For each node of a rule's tree, in the order of writing: value and target, and what counted.

    A streak counts days, so no completion counts for it.
    """
    ((kind, ask),) = rule.items()
    own = measured(rule, done, thresholds, policy)
    if kind in ("all", "any"):
        below = [naive_counted(part, None, None, done, thresholds, policy) for part in ask]
        return [(own, set()), *(node for part in below for node in part)]
    if repeat == "each_week":
        weeks = {iso_week(c, policy) for c in done}
        found = {w: measured(rule, [c for c in done if iso_week(c, policy) == w]) for w in weeks}
        if occurrence is None:
            best = max((value for value, _ in found.values()), default=0)
            names = [w for w in sorted(weeks) if found[w][0] == best and best]
            occurrence = names[0] if names else 0
        own = (found.get(occurrence, (0, own[1]))[0], own[1])
        done = [c for c in done if iso_week(c, policy) == occurrence]
    elif repeat == "each_multiple":
        own = (own[0], own[1] * (occurrence or 1))
    return [(own, {c.event_id for c in _counting(kind, ask, own[0], done, thresholds, policy)})]


def _counting(
    kind: str,
    ask: Mapping[str, Any],
    value: int,
    done: Sequence[Completion],
    thresholds: Thresholds,
    policy: NaivePolicy,
) -> Sequence[Completion]:
    ordered = sorted(done, key=lambda c: (c.completed_at, c.event_id))
    if kind == "streak":
        return ()
    if kind == "skill_level":
        topics = {ask["topic"]} if "topic" in ask else {c.topic for c in done}
        wanted = {
            topic
            for topic in topics
            if "topic" in ask
            or LEVELS.index(level(done, topic, thresholds)) >= LEVELS.index(ask["level"])
        }
        return [c for c in ordered if c.topic in wanted]
    if kind in ("distinct_topics", "active_days"):
        return _first_per(ordered, lambda c: c.topic if kind == "distinct_topics" else c.local_day)
    matching = passing(ordered, ask)
    if ask.get("distinct"):
        return _first_per(matching, lambda c: c.exercise_id)
    if "within" not in ask:
        return matching
    whole = {name: given for name, given in ask.items() if name != "within"}
    for window in sorted({_window(c, ask["within"], policy) for c in matching}):
        inside = [c for c in matching if _window(c, ask["within"], policy) == window]
        if value and measured({kind: whole}, inside)[0] == value:
            return inside
    return ()


def _first_per(
    ordered: Sequence[Completion], key: Callable[[Completion], object]
) -> list[Completion]:
    return list({key(c): c for c in reversed(ordered)}.values())
