"""The sentences in English."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Final

from progress_worker.domain import rule_kinds as spec
from progress_worker.domain import spoken
from progress_worker.domain.explained_tree import Node
from progress_worker.domain.skills import LEVELS
from progress_worker.domain.spoken import Names

_LANGUAGE: Final = "en"
_WEEKDAYS: Final = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}
_number = partial(spoken.number, language=_LANGUAGE)
_day = partial(spoken.day, language=_LANGUAGE)


def sentence(node: Node, names: Names) -> str:
    """What the node measured, and what it asks for."""
    rule, value, target = node.rule, node.progress.current, node.progress.target
    if node.requires is not None:
        name = names.achievement(node.requires)
        return f"You have “{name}”." if node.holds else f"You do not have “{name}” yet."
    if rule is None or rule.all or rule.any:
        verb = "hold" if len(node.parts) > 1 else "holds"
        enough = " One is enough." if rule is not None and rule.any and node.parts[1:] else ""
        parts = _of(spoken.parts_held(node), len(node.parts), "part")
        return f"{parts} {verb}.{enough}"
    if counted := spec.counting(rule):
        return _counting(node, counted, names)
    if rule.streak:
        streak = _of(value, target, "day" if rule.streak.days else "week")
        return f"Your longest streak is {streak}."
    if rule.skill_level:
        return _level(rule.skill_level, value, target, names)
    if rule.distinct_topics:
        return f"You completed exercises in {_of(value, target, 'topic')}."
    return f"You were active on {_of(value, target, 'day')}."


def _counting(node: Node, counted: spec.Counting, names: Names) -> str:
    value, target = node.progress.current, node.progress.target
    begin, where = _window(node), "".join(_conditions(counted, names))
    if isinstance(counted, spec.TimeSpent):
        spent = f"{spoken.duration(value)} of {spoken.duration(target)}"
        return f"{begin} spent {spent} on exercises{where}."
    different = "different " if node.counts and node.counts.bucketed_by == "exercise" else ""
    return f"{begin} completed {_of(value, target, 'exercise', different)}{where}."


def _of(value: int, target: int, noun: str, adjective: str = "") -> str:
    ending = "" if target == 1 else "s"
    return f"{_number(value)} of {_number(target)} {adjective}{noun}{ending}"


def _level(asked: spec.SkillLevelReached, value: int, target: int, names: Names) -> str:
    if asked.topic is None:
        return f"You reached the level {asked.level} in {_of(value, target, 'topic')}."
    topic = names.topic(asked.topic)
    return f"Your level in {topic} is {LEVELS[value]}; the rule asks for {LEVELS[target]}."


def _window(node: Node) -> str:
    by, window = node.counts and node.counts.bucketed_by, node.window
    if by is None or by == "exercise":
        return "You"
    if window is None:
        return f"{'On' if by == 'day' else 'In'} your best {by} you"
    if by == "day":
        return f"On {_day(dt.date.fromisoformat(window))} you"
    if by == "week":
        return f"In week {spoken.week(window)} you"
    return f"In {spoken.month(window, _LANGUAGE)} you"


def _conditions(asked: spec.Counting, names: Names) -> Iterator[str]:
    if asked.difficulty is not None:
        yield f" marked {asked.difficulty}"
    if asked.topic is not None:
        yield f" in {names.topic(asked.topic)}"
    if asked.min_grade is not None:
        yield f" with a grade of at least {_number(asked.min_grade)}%"
    if asked.max_hints is not None:
        hints = "hint" if asked.max_hints == 1 else "hints"
        yield f" with at most {asked.max_hints} {hints}" if asked.max_hints else " without hints"
    if asked.max_seconds is not None:
        yield f" in at most {spoken.duration(asked.max_seconds)} each"
    if asked.between is not None:
        first, _, end = asked.between.partition("-")
        yield f" between {first} and {end}"
    if asked.weekdays is not None:
        yield f" on a {' or '.join(_WEEKDAYS[each] for each in asked.weekdays)}"
    if asked.since is not None:
        yield f" from {_day(asked.since)} on"
    if asked.until is not None:
        yield f" until {_day(asked.until)}"
    if asked.on is not None:
        yield f" on {spoken.day_of_year(asked.on, _LANGUAGE)}"
