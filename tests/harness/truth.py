"""What must become of the events that were sent, by a model too simple to be wrong.

Everything is counted anew from the list of all completions after every event: slow, and without a
line of the worker's rules. Events of one learner are given in the order in which they were sent.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import yaml

from progress_worker.domain.completion import Completion

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]

_LEVELS: Final = ("beginner", "intermediate", "advanced", "expert")
_THRESHOLDS: Final = ((50, 80_00, "expert"), (30, 70_00, "advanced"), (10, 60_00, "intermediate"))


def expected_rows(events: Iterable[Completion], catalogue: str) -> Rows:
    """The rows of every learner table; `catalogue` is the YAML by which achievements are earned."""
    by_learner: dict[str, list[Completion]] = defaultdict(list)
    for event in events:
        by_learner[event.user_id].append(event)
    rows: Rows = defaultdict(list)
    rules = yaml.safe_load(catalogue)
    for user_id, arrivals in by_learner.items():
        for table, some in _Learner(user_id, rules).after(arrivals).items():
            rows[table] += some
    return rows


class _Learner:
    """One learner's events, told one by one."""

    def __init__(self, user_id: str, catalogue: Mapping[str, Any]) -> None:
        self._user_id = user_id
        self._catalogue = catalogue
        self._stored: dict[UUID, Completion] = {}
        self._levels: dict[str, Row] = {}
        self._unlocks: dict[str, Row] = {}

    def after(self, arrivals: Iterable[Completion]) -> Rows:
        for arrival in arrivals:
            before = self._stored.get(arrival.event_id)
            if before is None or before.revision < arrival.revision:
                self._stored[arrival.event_id] = arrival
                self._relevel(arrival)
                self._unlock(arrival)
        counting = _counting(self._stored.values())
        return {
            "learner": [(self._user_id, runs(c.local_day for c in counting), *_zone(counting))],
            "completion": [tuple(completion) for completion in self._stored.values()],
            "learner_total": _sums(counting, "topic", "difficulty"),
            "learner_day": _sums(counting, "local_day", "topic", "difficulty"),
            "skill_level": list(self._levels.values()),
            "achievement_unlock": list(self._unlocks.values()),
        }

    def _relevel(self, arrival: Completion) -> None:
        counting = _counting(self._stored.values())
        for topic in {completion.topic for completion in self._stored.values()}:
            now = _level(counting, topic)
            before = self._levels.get(topic, (None, None, "beginner"))[2]
            if now != before:
                row = (self._user_id, topic, now, before, arrival.completed_at)
                self._levels[topic] = row

    def _unlock(self, arrival: Completion) -> None:
        counting = _counting(self._stored.values())
        for achievement in self._catalogue["achievements"]:
            if achievement["id"] in self._unlocks:
                continue
            value, target = _measured(achievement["rule"], counting)
            if value >= target:
                self._unlocks[achievement["id"]] = (
                    self._user_id,
                    achievement["id"],
                    arrival.completed_at,
                    arrival.local_day,
                    arrival.event_id,
                    self._catalogue["version"],
                    value,
                    target,
                    False,
                )


def _counting(completions: Iterable[Completion]) -> list[Completion]:
    return [completion for completion in completions if not completion.revoked]


def runs(days: Iterable[dt.date]) -> tuple[tuple[dt.date, dt.date], ...]:
    """Maximal runs of consecutive days, each as its first and its last day."""
    found: list[tuple[dt.date, dt.date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == dt.timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return tuple(found)


def _zone(counting: Sequence[Completion]) -> Row:
    named = [(c.completed_at, c.event_id, c.timezone) for c in counting if c.timezone]
    if not named:
        return (None, None, None)
    at, event_id, timezone = max(named)
    return (timezone, at, event_id)


def _sums(counting: Sequence[Completion], *keys: str) -> list[Row]:
    groups: dict[Row, list[Completion]] = defaultdict(list)
    for completion in counting:
        groups[tuple(getattr(completion, key) for key in ("user_id", *keys))].append(completion)
    return [
        (
            *key,
            len(group),
            len(grades := [c.grade_hundredths for c in group if c.grade_hundredths is not None]),
            sum(grades),
            sum(c.time_spent_seconds for c in group),
            sum(c.hints_used for c in group),
        )
        for key, group in groups.items()
    ]


def _level(counting: Iterable[Completion], topic: str) -> str:
    grades = [c.grade_hundredths for c in counting if c.topic == topic]
    graded = [grade for grade in grades if grade is not None]
    for exercises, mean, level in _THRESHOLDS:
        if len(grades) >= exercises and graded and sum(graded) >= mean * len(graded):
            return level
    return "beginner"


def _measured(rule: Mapping[str, Any], counting: Sequence[Completion]) -> tuple[int, int]:
    """The value that a rule measures, and the one that it asks for."""
    ((kind, ask),) = rule.items()
    if kind in {"all", "any"}:
        parts = [_measured(part, counting) for part in ask]
        if kind == "any":
            return max(parts, key=lambda part: part[0] / part[1])
        return sum(value >= target for value, target in parts), len(parts)
    topics = {completion.topic for completion in counting}
    if kind == "streak":
        lengths = [(last - first).days + 1 for first, last in runs(c.local_day for c in counting)]
        return max(lengths, default=0), ask["days"]
    if kind == "distinct_topics":
        return len(topics), ask["at_least"]
    if kind == "skill_level":
        least = _LEVELS.index(ask["level"])
        ranks = {topic: _LEVELS.index(_level(counting, topic)) for topic in topics}
        if "topic" in ask:
            return ranks.get(ask["topic"], 0), least
        return sum(rank >= least for rank in ranks.values()), ask.get("topics", 1)
    matching = [completion for completion in counting if _matches(completion, ask)]
    if kind == "time_spent":
        return sum(completion.time_spent_seconds for completion in matching), ask["seconds"]
    assert kind == "exercises_completed", kind
    return len(matching), ask["at_least"]


def _matches(completion: Completion, ask: Mapping[str, Any]) -> bool:
    grade = completion.grade_hundredths
    return (
        ask.get("topic") in {None, completion.topic}
        and ask.get("difficulty") in {None, completion.difficulty}
        and ("min_grade" not in ask or (grade is not None and grade >= ask["min_grade"] * 100))
        and completion.hints_used <= ask.get("max_hints", completion.hints_used)
    )
