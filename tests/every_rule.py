"""A catalogue with every kind of rule, within reach of a few completions."""

from __future__ import annotations

from typing import Any

import yaml

from progress_worker.domain.catalogue import parse_catalogue
from progress_worker.domain.reducer import Reducer
from progress_worker.domain.skills import LevelRules, Threshold

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
- exercises_completed: {at_least: 2}
- any: [{streak: {days: 5}}, {exercises_completed: {at_least: 6}}]
- all: [{distinct_topics: {at_least: 2}}, {time_spent: {seconds: 1200}}, {streak: {days: 2}}]
- skill_level: {level: intermediate}
- skill_level: {level: advanced, topic: algorithms}
- skill_level: {level: expert}
- skill_level: {level: intermediate, topics: 2}
- all:
    - skill_level: {level: advanced}
    - any: [{exercises_completed: {at_least: 2, difficulty: easy}}, {streak: {days: 3}}]
"""
MONOTONE = 20
WRITTEN: list[dict[str, Any]] = yaml.safe_load(RULES)
CATALOGUE = parse_catalogue(
    yaml.safe_dump(
        {
            "version": 3,
            "achievements": [
                {
                    "id": f"rule_{position}",
                    "name": "A rule",
                    "description": "Something is done.",
                    "category": "rules",
                    "tier": "bronze",
                    "points": 1,
                    "icon": "star",
                    "rule": rule,
                }
                for position, rule in enumerate(WRITTEN)
            ],
        }
    )
)
THRESHOLDS = ((2, 60), (3, 70), (4, 80))
LEVEL_RULES = LevelRules(Threshold(2, 60_00), Threshold(3, 70_00), Threshold(4, 80_00))
REDUCER = Reducer(CATALOGUE, LEVEL_RULES)
