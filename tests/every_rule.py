"""A rule book with every kind of rule, within reach of a few completions."""

from __future__ import annotations

import datetime as dt
from typing import Any

import yaml

from progress_worker.domain.rulebook import read_rule_book
from tests.naive_travel import NaivePolicy

#: Every kind with every way of narrowing it; the first MONOTONE ones can only come to hold, as
#: long as nothing is taken back.
RULES = """
- exercises_completed: {at_least: 1}
- exercises_completed: {at_least: 4}
- exercises_completed: {at_least: 2, topic: algorithms}
- exercises_completed: {at_least: 2, difficulty: hard}
- exercises_completed: {at_least: 3, difficulty: hard}
- exercises_completed: {at_least: 1, min_grade: 0}
- exercises_completed: {at_least: 2, min_grade: 89.99}
- exercises_completed: {at_least: 2, max_hints: 0}
- exercises_completed:
    {at_least: 1, topic: databases, difficulty: easy, min_grade: 60, max_hints: 1}
- streak: {days: 1}
- streak: {days: 3}
- streak: {days: 4}
- time_spent: {seconds: 601}
- time_spent: {seconds: 90000}
- time_spent: {seconds: 600, topic: networking}
- distinct_topics: {at_least: 2}
- distinct_topics: {at_least: 3}
- streak: {weeks: 1}
- streak: {weeks: 2}
- active_days: {at_least: 3}
- exercises_completed: {at_least: 2}
- any: [{streak: {days: 5}}, {exercises_completed: {at_least: 6}}]
- all: [{distinct_topics: {at_least: 2}}, {time_spent: {seconds: 1200}}, {streak: {days: 2}}]
- exercises_completed: {at_least: 2, max_seconds: 600}
- exercises_completed: {at_least: 1, between: "05:00-09:00"}
- exercises_completed: {at_least: 2, between: "22:00-04:30"}
- exercises_completed: {at_least: 2, weekdays: [sun, sat]}
- exercises_completed: {at_least: 2, from: 2026-03-30}
- exercises_completed: {at_least: 1, until: 2026-03-28, topic: databases}
- exercises_completed: {at_least: 1, "on": "04-01"}
- exercises_completed:
    at_least: 1
    topic: algorithms
    difficulty: hard
    min_grade: 60
    max_hints: 1
    max_seconds: 86400
    between: "20:00-19:00"
    weekdays: [mon, tue, wed, sat]
    from: 2026-03-28
    until: 2026-04-01
- time_spent: {seconds: 600, difficulty: hard}
- time_spent: {seconds: 1201, min_grade: 60, max_hints: 0}
- time_spent: {seconds: 601, max_seconds: 600}
- time_spent: {seconds: 600, between: "21:00-03:00", topic: networking}
- time_spent: {seconds: 601, weekdays: [sat], from: 2026-03-28, until: 2026-03-30}
- time_spent: {seconds: 1, "on": "03-29"}
- any:
    - exercises_completed: {at_least: 3, "on": "03-30"}
    - time_spent: {seconds: 601, "on": "03-30"}
- exercises_completed: {at_least: 3, within: day}
- exercises_completed: {at_least: 3, within: week, max_hints: 1}
- exercises_completed: {at_least: 4, within: month, topic: algorithms}
- time_spent: {seconds: 1200, within: day, max_hints: 0}
- time_spent: {seconds: 87000, within: week}
- exercises_completed: {at_least: 3, distinct: true}
- exercises_completed: {at_least: 2, distinct: true, difficulty: hard}
- all:
    - exercises_completed: {at_least: 2, within: month, weekdays: [tue, wed]}
    - any: [{time_spent: {seconds: 600, within: week}}, {streak: {days: 4}}]
- skill_level: {level: intermediate}
- skill_level: {level: advanced, topic: algorithms}
- skill_level: {level: expert}
- skill_level: {level: intermediate, topics: 2}
- all:
    - skill_level: {level: advanced}
    - any: [{exercises_completed: {at_least: 2, difficulty: easy}}, {streak: {days: 3}}]
"""
MONOTONE = 46
#: By the position of a rule, those of the rules that have to be unlocked before it or with it:
#: a chain against the order of the book, one that meets in another, and rules that may fall.
REQUIRES = {
    9: (5,),
    5: (20,),
    20: (15,),
    1: (15, 19),
    3: (0,),
    4: (0,),
    37: (30,),
    40: (43,),
    50: (46, 9),
}
RETIRED = (28, 35)
WRITTEN: list[dict[str, Any]] = yaml.safe_load(RULES)
#: A day for everybody, amid the days of the histories.
EXCUSED = dt.date(2026, 3, 31)
POLICY = NaivePolicy(2, 2, 2, 2, frozenset([EXCUSED]))


def entry(position: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"rule_{position}",
        "name": "A rule",
        "description": "Something is done.",
        "category": "rules",
        "icon": "star",
        "requires": requires(position),
        **more,
    }


def single(position: int) -> dict[str, Any]:
    return entry(position, tier="bronze", points=1, rule=WRITTEN[position])


def retired(position: int) -> dict[str, Any]:
    """The rule has an `until`, which is told otherwise."""
    ((kind, asked),) = WRITTEN[position].items()
    rule = {kind: {name: value for name, value in asked.items() if name != "until"}}
    return single(position) | {"rule": rule, "status": {"retired": {"after": asked["until"]}}}


def unjudged(status: str, position: int) -> dict[str, Any]:
    """What would be unlocked like another rule, and is not."""
    return single(position) | {"id": status, "status": status}


def requires(position: int) -> list[str]:
    return [f"rule_{required}" for required in REQUIRES.get(position, ())]


def tiered(positions: range, rule: dict[str, Any]) -> dict[str, Any]:
    """The rules of these positions, as tiers of one rule."""
    targets = [WRITTEN[position]["exercises_completed"]["at_least"] for position in positions]
    tiers = [
        {"id": f"rule_{position}", "target": target, "tier": "bronze", "points": 1}
        for position, target in zip(positions, targets, strict=True)
    ]
    return entry(positions[0], tiers=tiers, rule=rule)


BOOK = read_rule_book(
    yaml.safe_dump(
        {
            "version": 3,
            "levels": {
                "intermediate": {"exercises": 2, "mean_grade": 60},
                "advanced": {"exercises": 3, "mean_grade": 70},
                "expert": {"exercises": 4, "mean_grade": 80},
            },
            "streak": {
                "freezes": {"cap": 2, "earn_every": 2},
                "week": {"starts_on": "wed", "days": 2},
            },
            "excused": [{"first_day": EXCUSED, "last_day": EXCUSED, "label": "A holiday"}],
            "achievements": [
                *map(single, range(3)),
                tiered(
                    range(3, 5),
                    {"exercises_completed": {"at_least": "target", "difficulty": "hard"}},
                ),
                *(
                    retired(position) if position in RETIRED else single(position)
                    for position in range(5, len(WRITTEN))
                ),
                unjudged("closed", 0),
                unjudged("paused", 3),
                unjudged("withdrawn", 5),
            ],
        }
    )
)
THRESHOLDS = ((2, 60), (3, 70), (4, 80))
