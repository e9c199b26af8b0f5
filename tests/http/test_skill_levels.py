"""Every field of skill levels and of the way to the next one."""

from __future__ import annotations

import pytest

from tests.http.stage import Stage

pytestmark = pytest.mark.integration


async def test_skill_levels(stage: Stage) -> None:
    for minute in range(10):
        await stage.complete(f"2026-11-22T10:{minute:02}:00Z", topic="c/c++", grade=65)
    await stage.complete("2026-11-22T09:00:00Z", topic="graphs", grade=99.5)
    reached = {
        "topic": "c/c++",
        "level": "intermediate",
        "previous_level": "beginner",
        "level_updated_at": "2026-11-22T10:09:00Z",
        "exercises_completed": 10,
        "average_grade": 65,
        "time_spent_seconds": 600,
        "next_level": {"level": "advanced", "exercises_needed": 20, "grade_needed": 70},
    }
    begun = {
        "topic": "graphs",
        "level": "beginner",
        "previous_level": "beginner",
        "level_updated_at": None,
        "exercises_completed": 1,
        "average_grade": 99.5,
        "time_spent_seconds": 60,
        "next_level": {"level": "intermediate", "exercises_needed": 9, "grade_needed": 60},
    }
    assert await stage.read("/skill-levels") == {"user_id": "ada", "skill_levels": [reached, begun]}
    assert await stage.read("/skill-levels/graphs") == begun
    assert await stage.read("/skill-levels/c%2Fc++") == reached
    assert await stage.read("/skill-levels/unknown") == {
        **begun,
        "topic": "unknown",
        "exercises_completed": 0,
        "average_grade": None,
        "time_spent_seconds": 0,
        "next_level": {"level": "intermediate", "exercises_needed": 10, "grade_needed": 60},
    }


async def test_an_expert_has_no_next_level(stage: Stage) -> None:
    for minute in range(50):
        await stage.complete(f"2026-11-22T10:{minute:02}:00Z", grade=80)
    expert = await stage.read("/skill-levels/algorithms")
    assert (expert["level"], expert["previous_level"]) == ("expert", "advanced")
    assert expert["next_level"] is None
