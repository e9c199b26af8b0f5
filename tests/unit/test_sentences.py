"""The sentences of explanations: each kind of rule, each filter, each language."""

from __future__ import annotations

import pytest
import yaml

from progress_worker.domain.explained_tree import Node
from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.sentences import SENTENCES
from progress_worker.domain.spoken import Names
from tests import every_rule
from tests.explaining import explained
from tests.folding import Store
from tests.histories import completion

NAMES = Names(str.title, lambda name: name)

SAID = """
exercises_completed: {at_least: 1}
  You completed 3 of 1 exercise.
  Du hast 3 von 1 Aufgabe gelöst.
exercises_completed: {at_least: 1000, distinct: true, difficulty: hard}
  You completed 3 of 1,000 different exercises marked hard.
  Du hast 3 von 1.000 verschiedenen schweren Aufgaben gelöst.
exercises_completed: {at_least: 1, difficulty: hard}
  You completed 3 of 1 exercise marked hard.
  Du hast 3 von 1 schwerer Aufgabe gelöst.
exercises_completed: {at_least: 2, topic: databases, min_grade: 89.5, max_hints: 0}
  You completed 0 of 2 exercises in Databases with a grade of at least 89.5% without hints.
  Du hast 0 von 2 Aufgaben in Databases mit mindestens 89,5 % ohne Hinweise gelöst.
exercises_completed: {at_least: 2, max_hints: 1, max_seconds: 90}
  You completed 0 of 2 exercises with at most 1 hint in at most 1 min 30 s each.
  Du hast 0 von 2 Aufgaben mit höchstens 1 Hinweis in jeweils höchstens 1 min 30 s gelöst.
exercises_completed: {at_least: 2, between: "22:00-04:30"}
  You completed 0 of 2 exercises between 22:00 and 04:30.
  Du hast 0 von 2 Aufgaben zwischen 22:00 und 04:30 Uhr gelöst.
exercises_completed: {at_least: 2, weekdays: [sat, sun]}
  You completed 3 of 2 exercises on a Saturday or Sunday.
  Du hast 3 von 2 Aufgaben an einem Samstag oder Sonntag gelöst.
exercises_completed: {at_least: 2, from: 2026-03-28, until: 2026-04-01}
  You completed 3 of 2 exercises from 28 March 2026 on until 1 April 2026.
  Du hast 3 von 2 Aufgaben ab dem 28. März 2026 bis zum 1. April 2026 gelöst.
exercises_completed: {at_least: 1, "on": "12-24"}
  You completed 0 of 1 exercise on 24 December.
  Du hast 0 von 1 Aufgabe am 24. Dezember gelöst.
exercises_completed: {at_least: 3, within: day}
  On 28 March 2026 you completed 3 of 3 exercises.
  Am 28. März 2026 hast du 3 von 3 Aufgaben gelöst.
exercises_completed: {at_least: 3, within: day, difficulty: easy}
  On your best day you completed 0 of 3 exercises marked easy.
  An deinem besten Tag hast du 0 von 3 leichten Aufgaben gelöst.
time_spent: {seconds: 3600, within: week}
  In week 2026-W13 you spent 30 min of 1 h on exercises.
  In der Woche 2026-W13 hast du 30 min von 1 h mit Aufgaben verbracht.
time_spent: {seconds: 3601, within: month}
  In March 2026 you spent 30 min of 1 h 1 s on exercises.
  Im März 2026 hast du 30 min von 1 h 1 s mit Aufgaben verbracht.
time_spent: {seconds: 5, topic: databases}
  You spent 0 s of 5 s on exercises in Databases.
  Du hast 0 s von 5 s mit Aufgaben in Databases verbracht.
streak: {days: 7}
  Your longest streak is 1 of 7 days.
  Deine längste Serie hat 1 von 7 Tagen.
streak: {weeks: 1}
  Your longest streak is 1 of 1 week.
  Deine längste Serie hat 1 von 1 Woche.
skill_level: {level: advanced, topic: algorithms}
  Your level in Algorithms is beginner; the rule asks for advanced.
  Deine Stufe in Algorithms ist Einstieg; verlangt ist Fortgeschritten.
skill_level: {level: expert, topics: 2}
  You reached the level expert in 0 of 2 topics.
  Du hast die Stufe Profi in 0 von 2 Themen erreicht.
distinct_topics: {at_least: 2}
  You completed exercises in 1 of 2 topics.
  Du hast Aufgaben in 1 von 2 Themen gelöst.
active_days: {at_least: 10}
  You were active on 1 of 10 days.
  Du warst an 1 von 10 Tagen aktiv.
all: [{active_days: {at_least: 1}}, {active_days: {at_least: 2}}]
  1 of 2 parts hold.
  1 von 2 Teilen ist erfüllt.
any: [{active_days: {at_least: 1}}, {active_days: {at_least: 2}}]
  1 of 2 parts hold. One is enough.
  1 von 2 Teilen ist erfüllt. Einer genügt.
"""
LINES = SAID.strip().splitlines()
CASES = [tuple(line.strip() for line in LINES[n : n + 3]) for n in range(0, len(LINES), 3)]


def book_of(rule: str) -> RuleBook:
    texts = {"name": "N", "description": "D", "category": "c", "tier": "gold", "points": 1}
    entry = {"id": "it", "icon": "i", **texts, "rule": yaml.safe_load(rule)}
    return read_rule_book(yaml.safe_dump({"version": 1, "achievements": [entry]}))


def root(book: RuleBook, name: str) -> Node:
    store = Store(book)
    store.apply(
        [completion(n, difficulty="hard", exercise_id=str(n), hints_used=2) for n in range(3)]
    )
    return explained(store, "ada", name).root


@pytest.mark.parametrize(("rule", "english", "german"), CASES)
def test_a_sentence(rule: str, english: str, german: str) -> None:
    node = root(book_of(rule), "it")
    assert SENTENCES["en"](node, NAMES) == english
    assert SENTENCES["de"](node, NAMES) == german


def test_what_is_required() -> None:
    required = [node for node in root(every_rule.BOOK, "rule_50").each() if node.requires]
    assert [SENTENCES["en"](node, NAMES) for node in required] == [
        "You have “rule_46”.",
        "You do not have “rule_9” yet.",
    ]
    assert [SENTENCES["de"](node, NAMES) for node in required] == [
        "Du hast „rule_46“.",
        "Du hast „rule_9“ noch nicht.",
    ]


@pytest.mark.parametrize("language", SENTENCES)
def test_every_rule_has_a_sentence(language: str) -> None:
    for position in range(len(every_rule.WRITTEN)):
        for node in root(every_rule.BOOK, f"rule_{position}").each():
            said = SENTENCES[language](node, NAMES)
            assert said.endswith(".")
            assert "None" not in said
            assert "  " not in said
