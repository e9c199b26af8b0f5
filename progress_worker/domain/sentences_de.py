"""The sentences in German."""

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

_LANGUAGE: Final = "de"
_WEEKDAYS: Final = {
    "mon": "Montag",
    "tue": "Dienstag",
    "wed": "Mittwoch",
    "thu": "Donnerstag",
    "fri": "Freitag",
    "sat": "Samstag",
    "sun": "Sonntag",
}
_LEVELS: Final = {
    "beginner": "Einstieg",
    "intermediate": "Mittelstufe",
    "advanced": "Fortgeschritten",
    "expert": "Profi",
}
_DIFFICULTIES: Final = {"easy": "leichten", "medium": "mittleren", "hard": "schweren"}
_BEST: Final = {
    "day": "An deinem besten Tag",
    "week": "In deiner besten Woche",
    "month": "In deinem besten Monat",
}
_number = partial(spoken.number, language=_LANGUAGE)
_day = partial(spoken.day, language=_LANGUAGE)


def sentence(node: Node, names: Names) -> str:
    """What the node measured, and what it asks for."""
    rule, value, target = node.rule, node.progress.current, node.progress.target
    if node.requires is not None:
        name = names.achievement(node.requires)
        return f"Du hast „{name}“." if node.holds else f"Du hast „{name}“ noch nicht."
    if rule is None or rule.all or rule.any:
        parts = len(node.parts)
        enough = " Einer genügt." if rule is not None and rule.any and parts > 1 else ""
        held = spoken.parts_held(node)
        verb = "ist" if held == 1 else "sind"
        noun = "Teil" if parts == 1 else "Teilen"
        return f"{_number(held)} von {_number(parts)} {noun} {verb} erfüllt.{enough}"
    if counted := spec.counting(rule):
        return _counting(node, counted, names)
    if rule.streak:
        one, many = ("Tag", "Tagen") if rule.streak.days else ("Woche", "Wochen")
        return f"Deine längste Serie hat {_of(value, target, one, many)}."
    if rule.skill_level:
        return _level(rule.skill_level, value, target, names)
    if rule.distinct_topics:
        return f"Du hast Aufgaben in {_of(value, target, 'Thema', 'Themen')} gelöst."
    return f"Du warst an {_of(value, target, 'Tag', 'Tagen')} aktiv."


def _counting(node: Node, counted: spec.Counting, names: Names) -> str:
    value, target = node.progress.current, node.progress.target
    begin, where = _window(node), "".join(_conditions(counted, names))
    adjective = f"{_DIFFICULTIES[counted.difficulty]} " if counted.difficulty else ""
    if isinstance(counted, spec.TimeSpent):
        spent = f"{spoken.duration(value)} von {spoken.duration(target)}"
        return f"{begin} {spent} mit {adjective}Aufgaben{where} verbracht."
    if node.counts and node.counts.bucketed_by == "exercise":
        adjective = f"verschiedenen {adjective}"
    if target == 1:
        adjective = adjective.replace("en ", "er ")
    done = _of(value, target, f"{adjective}Aufgabe", f"{adjective}Aufgaben")
    return f"{begin} {done}{where} gelöst."


def _of(value: int, target: int, one: str, many: str) -> str:
    return f"{_number(value)} von {_number(target)} {one if target == 1 else many}"


def _level(asked: spec.SkillLevelReached, value: int, target: int, names: Names) -> str:
    if asked.topic is None:
        topics = _of(value, target, "Thema", "Themen")
        return f"Du hast die Stufe {_LEVELS[asked.level]} in {topics} erreicht."
    level, wanted = _LEVELS[LEVELS[value]], _LEVELS[LEVELS[target]]
    return f"Deine Stufe in {names.topic(asked.topic)} ist {level}; verlangt ist {wanted}."


def _window(node: Node) -> str:
    by, window = node.counts and node.counts.bucketed_by, node.window
    if by is None or by == "exercise":
        return "Du hast"
    if window is None:
        return f"{_BEST[by]} hast du"
    if by == "day":
        return f"Am {_day(dt.date.fromisoformat(window))} hast du"
    if by == "week":
        return f"In der Woche {spoken.week(window)} hast du"
    return f"Im {spoken.month(window, _LANGUAGE)} hast du"


def _conditions(asked: spec.Counting, names: Names) -> Iterator[str]:
    if asked.topic is not None:
        yield f" in {names.topic(asked.topic)}"
    if asked.min_grade is not None:
        yield f" mit mindestens {_number(asked.min_grade)} %"
    if asked.max_hints is not None:
        hints = "Hinweis" if asked.max_hints == 1 else "Hinweisen"
        yield f" mit höchstens {asked.max_hints} {hints}" if asked.max_hints else " ohne Hinweise"
    if asked.max_seconds is not None:
        yield f" in jeweils höchstens {spoken.duration(asked.max_seconds)}"
    if asked.between is not None:
        first, _, end = asked.between.partition("-")
        yield f" zwischen {first} und {end} Uhr"
    if asked.weekdays is not None:
        yield f" an einem {' oder '.join(_WEEKDAYS[each] for each in asked.weekdays)}"
    if asked.since is not None:
        yield f" ab dem {_day(asked.since)}"
    if asked.until is not None:
        yield f" bis zum {_day(asked.until)}"
    if asked.on is not None:
        yield f" am {spoken.day_of_year(asked.on, _LANGUAGE)}"
