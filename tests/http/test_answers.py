"""Every field of every path's answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.stage import Stage

pytestmark = pytest.mark.integration

NOTHING = {
    "exercises_completed": 0,
    "average_grade": None,
    "time_spent_seconds": 0,
    "average_time_seconds": None,
    "hints_used": 0,
    "average_hints": None,
}


@pytest.fixture
async def ada(stage: Stage) -> Stage:
    """Three active days until today, three topics, one completion taken back."""
    zone = "Europe/Berlin"
    await stage.complete("2026-11-21T10:00:00Z", grade=70, seconds=100, hints=2, timezone=zone)
    await stage.complete(
        "2026-11-22T10:00:00Z", grade=None, seconds=50, difficulty="hard", timezone=zone
    )
    taken = await stage.complete("2026-11-22T11:00:00Z", topic="sorting", grade=100, timezone=zone)
    await stage.complete(
        "2026-11-23T09:00:00Z", topic="graphs", grade=90, seconds=30, timezone=zone
    )
    await stage.complete(
        "2026-11-22T11:00:00Z",
        topic="sorting",
        event_id=taken,
        revision=1,
        revoked=True,
        timezone=zone,
    )
    return stage


async def test_progress(ada: Stage) -> None:
    assert await ada.read("") == {
        "user_id": "ada",
        "timezone": "Europe/Berlin",
        "as_of": "2026-11-23T12:00:00Z",
        "gamification": "on",
        "exercises_completed": 3,
        "time_spent_seconds": 180,
        "average_grade": 80,
        "hints_used": 2,
        "streak": {
            "current": 3,
            "longest": 3,
            "calendar_days": 3,
            "state": "active_today",
            "last_active_day": "2026-11-23",
            "active_today": True,
            "at_risk": False,
            "expires_at": "2026-11-24T23:00:00Z",
            "repairable": None,
            "freezes_left": 0,
            "next_freeze_in": None,
        },
        "achievements": {
            "unlocked": 2,
            "available": 4,
            "hidden": 0,
            "points": 40,
            "recent": [
                {
                    "id": "three_days",
                    "name": "Three days",
                    "tier": "silver",
                    "points": 30,
                    "icon": "flame",
                    "unlocked_at": "2026-11-23T09:00:00Z",
                },
                {
                    "id": "first",
                    "name": "First",
                    "tier": "bronze",
                    "points": 10,
                    "icon": "star",
                    "unlocked_at": "2026-11-21T10:00:00Z",
                },
            ],
        },
        "skill_levels": [
            {
                "topic": "algorithms",
                "level": "beginner",
                "exercises_completed": 2,
                "average_grade": 70,
            },
            {
                "topic": "graphs",
                "level": "beginner",
                "exercises_completed": 1,
                "average_grade": 90,
            },
        ],
    }


async def test_a_learner_never_seen_has_zeros(stage: Stage) -> None:
    progress = await stage.read("")
    assert progress == {
        "user_id": "ada",
        "timezone": "UTC",
        "as_of": "2026-11-23T12:00:00Z",
        "gamification": "on",
        "exercises_completed": 0,
        "time_spent_seconds": 0,
        "average_grade": None,
        "hints_used": 0,
        "streak": {
            "current": 0,
            "longest": 0,
            "calendar_days": 0,
            "state": "none",
            "last_active_day": None,
            "active_today": False,
            "at_risk": False,
            "expires_at": None,
            "repairable": None,
            "freezes_left": 0,
            "next_freeze_in": None,
        },
        "achievements": {
            "unlocked": 0,
            "available": 4,
            "hidden": 0,
            "points": 0,
            "recent": [],
        },
        "skill_levels": [],
    }
    paths = ("/achievements", "/badges", "/statistics", "/history", "/streak", "/skill-levels")
    for path in (*paths, "/export"):
        assert (await stage.get(path)).status_code == 200


async def test_achievements(ada: Stage) -> None:
    answer = await ada.read("/achievements")
    assert answer["user_id"] == "ada"
    assert answer["totals"] == {
        "unlocked": 2,
        "available": 4,
        "hidden": 0,
        "points": 40,
    }
    assert answer["achievements"][0] == {
        "id": "first",
        "name": "First",
        "description": "One exercise.",
        "goal": None,
        "category": "milestones",
        "tier": "bronze",
        "family": None,
        "points": 10,
        "icon": "star",
        "unlocked": True,
        "unlocked_at": "2026-11-21T10:00:00Z",
        "occurrences": 1,
        "last_unlocked_at": "2026-11-21T10:00:00Z",
        "progress": {"current": 3, "target": 1, "percent": 100},
        "progress_hidden": False,
        "rarity": None,
    }
    assert [
        (found["id"], found["unlocked"], found["unlocked_at"], found["progress"])
        for found in answer["achievements"][2:]
    ] == [
        ("hard_ones", False, None, {"current": 1, "target": 2, "percent": 50}),
        ("wide", False, None, {"current": 2, "target": 4, "percent": 50}),
    ]


async def test_an_unlock_stays_after_its_exercise_was_taken_back(stage: Stage) -> None:
    taken = await stage.complete("2026-11-23T09:00:00Z")
    await stage.complete("2026-11-23T09:00:00Z", event_id=taken, revision=1, revoked=True)
    first = (await stage.read("/achievements"))["achievements"][0]
    assert first["unlocked"] is True
    assert first["progress"] == {"current": 0, "target": 1, "percent": 100}
    assert (await stage.read(""))["exercises_completed"] == 0


async def test_badges(ada: Stage) -> None:
    await ada.complete("2026-11-23T10:00:00Z", topic="strings")
    answer = await ada.read("/badges")
    assert (answer["points_earned"], answer["points_available"]) == (40, 150)
    assert [badge["id"] for badge in answer["earned"]] == ["three_days", "first"]
    assert answer["earned"][0] == {
        "id": "three_days",
        "name": "Three days",
        "description": "Three days.",
        "goal": None,
        "category": "streaks",
        "tier": "silver",
        "family": None,
        "points": 30,
        "icon": "flame",
        "status": "earned",
        "earned_at": "2026-11-23T09:00:00Z",
        "occurrences": 1,
        "percent": 100,
        "rarity": None,
    }
    assert [(badge["id"], badge["status"], badge["percent"]) for badge in answer["available"]] == [
        ("wide", "in_progress", 75),
        ("hard_ones", "in_progress", 50),
    ]


def figures(count: int, grade: float | None, seconds: int, hints: int) -> dict[str, Any]:
    """The statistics of one sum."""
    return {
        "exercises_completed": count,
        "average_grade": grade,
        "time_spent_seconds": seconds,
        "average_time_seconds": seconds / count,
        "hints_used": hints,
        "average_hints": hints / count,
    }


async def test_statistics_of_all_days(ada: Stage) -> None:
    answer = await ada.read("/statistics", period="all")
    trend = answer.pop("trend")
    assert answer == {
        **figures(3, 80, 180, 2),
        "user_id": "ada",
        "period": "all",
        "start_date": None,
        "end_date": None,
        "by_topic": [
            {"topic": "algorithms", **figures(2, 70, 150, 2)},
            {"topic": "graphs", **figures(1, 90, 30, 0)},
        ],
        "by_difficulty": [
            {"difficulty": "easy", **figures(2, 80, 130, 2)},
            {"difficulty": "medium", **NOTHING},
            {"difficulty": "hard", **figures(1, None, 50, 0)},
        ],
    }
    assert [day["date"] for day in trend] == [f"2026-11-{day}" for day in range(17, 24)]
    assert trend[3] == {"date": "2026-11-20", **NOTHING}
    assert trend[4] == {"date": "2026-11-21", **figures(1, 70, 100, 2)}
    assert await ada.read("/statistics") == {**answer, "trend": trend}


@pytest.mark.parametrize(
    ("period", "start", "count"),
    [("daily", "2026-11-23", 1), ("weekly", "2026-11-17", 2), ("monthly", "2026-10-25", 3)],
)
async def test_statistics_of_a_window(stage: Stage, period: str, start: str, count: int) -> None:
    for day in ("2026-11-23", "2026-11-17", "2026-10-25", "2026-10-24"):
        await stage.complete(f"{day}T10:00:00Z")
    answer = await stage.read("/statistics", period=period)
    assert answer["start_date"] == start
    assert answer["end_date"] == "2026-11-23"
    assert answer["exercises_completed"] == count
    assert sum(part["exercises_completed"] for part in answer["by_topic"]) == count
    assert sum(part["exercises_completed"] for part in answer["by_difficulty"]) == count


async def test_another_learner_by_scope(ada: Stage) -> None:
    answer = await ada.get("", "operator", scope="openid progress:read:any", user_id="ada")
    assert answer.json()["exercises_completed"] == 3
    assert (await ada.read("", "operator"))["exercises_completed"] == 0
