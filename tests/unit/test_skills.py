"""Skill levels at their thresholds, to the hundredth."""

from __future__ import annotations

import pytest

from progress_worker.domain.skills import LEVELS, LevelRules, Threshold
from progress_worker.domain.totals import Totals, add_to_sums
from progress_worker.domain.vocabulary import Level
from tests.histories import completion
from tests.naive import level as naive_level

RULES = LevelRules()


def level(*grades: int | None) -> Level:
    """The level after exercises with these grades, in hundredths of a percent."""
    totals = Totals()
    for grade in grades:
        add_to_sums([totals], completion(grade_hundredths=grade), 60_00)
    found = RULES.level(totals)
    done = [completion(event, grade_hundredths=grade) for event, grade in enumerate(grades)]
    assert found == naive_level(done, "algorithms")
    return found


@pytest.mark.parametrize(
    ("exercises", "grade", "expected"),
    [
        (0, 0, "beginner"),
        (9, 100_00, "beginner"),
        (10, 59_99, "beginner"),
        (10, 60_00, "intermediate"),
        (29, 100_00, "intermediate"),
        (30, 69_99, "intermediate"),
        (30, 70_00, "advanced"),
        (49, 100_00, "advanced"),
        (50, 79_99, "advanced"),
        (50, 80_00, "expert"),
        (500, 69_99, "intermediate"),
        (500, 59_99, "beginner"),
    ],
)
def test_both_conditions_have_to_hold(exercises: int, grade: int, expected: Level) -> None:
    assert level(*[grade] * exercises) == expected


def test_a_mean_of_exactly_eighty_is_expert() -> None:
    """Three thirds that no float can hold."""
    assert level(*[79_99, 80_00, 80_01] * 17) == "expert"


def test_a_hundredth_short_of_eighty_is_not() -> None:
    assert level(*[80_00] * 999, 79_99) == "advanced"
    assert level(*[80_00] * 999, 80_01, 79_99) == "expert"


def test_ungraded_exercises_count_but_not_towards_the_mean() -> None:
    assert level(*[None] * 49, 80_00) == "expert"
    assert level(*[None] * 9, 59_99) == "beginner"


def test_without_a_grade_only_beginner_holds() -> None:
    assert level(*[None] * 100) == "beginner"


def test_a_grade_of_zero_is_a_grade() -> None:
    assert level(*[80_00] * 50) == "expert"
    assert level(*[80_00] * 50, 0) == "advanced"


def test_thresholds_need_not_rise() -> None:
    """The highest level that holds, whatever holds below it."""
    rules = LevelRules(intermediate=Threshold(10, 90_00), expert=Threshold(1, 50_00))
    totals = Totals()
    add_to_sums([totals], completion(grade_hundredths=50_00), 60_00)
    assert rules.level(totals) == "expert"


def test_every_level_has_a_threshold() -> None:
    asked = [RULES.threshold(name) for name in LEVELS]
    assert [(a.exercises, a.mean_hundredths) for a in asked] == [
        (0, 0),
        (10, 60_00),
        (30, 70_00),
        (50, 80_00),
    ]
