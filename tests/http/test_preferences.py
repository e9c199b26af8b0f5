"""What the view makes of preferences: off leaves the game out, and on shows everything again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from progress_worker.domain.preferences import Goal
from progress_worker.embedded.database import Database
from tests.harness.events import preferences
from tests.http.listening import listening
from tests.http.saving import saving
from tests.http.served import serve_view
from tests.http.stage import NOON, Stage, StageMaker

pytestmark = pytest.mark.integration

GAME = "streak: {freezes: {cap: 2, earn_every: 3}}\n"
PATHS = (
    "",
    "/achievements",
    "/badges",
    "/statistics",
    "/history?days=10",
    "/skill-levels",
    "/streak?days=10",
)


@pytest.fixture
async def played(migrated_database: Database, stages: StageMaker) -> Stage:
    """Three days in a row, the last one of them yesterday's yesterday, and a freeze that pays."""
    stage = await stages(migrated_database, GAME)
    for day in (19, 20, 21):
        await stage.complete(f"2026-11-{day}T10:00:00Z", difficulty="hard")
    return stage


async def answers(stage: Stage) -> dict[str, Any]:
    """Every answer, without what differs by the choice itself."""
    found = {path: await stage.read(path) for path in PATHS}
    found[""].pop("gamification")
    return found


async def test_defaults_until_something_is_set_and_the_whole_record_then(stage: Stage) -> None:
    never = {
        "user_id": "ada",
        "revision": None,
        "issued_at": None,
        "boards": "anonymous",
        "display_name": None,
        "gamification": "on",
        "goal": None,
    }
    assert await stage.read("/preferences") == never
    await stage.complete("2026-11-20T10:00:00Z")
    assert await stage.read("/preferences") == never
    first = await stage.get("/preferences")
    tag = {"If-None-Match": first.headers["etag"]}
    assert (await stage.get("/preferences", headers=tag)).status_code == 304
    await stage.prefer(
        boards="named",
        display_name="Ada",
        gamification="quiet",
        goal=Goal("minutes", 90, dt.date(2026, 12, 31)),
    )
    changed = await stage.get("/preferences", headers=tag)
    assert changed.status_code == 200
    assert changed.json() == {
        "user_id": "ada",
        "revision": 1,
        "issued_at": "2026-11-23T12:00:00Z",
        "boards": "named",
        "display_name": "Ada",
        "gamification": "quiet",
        "goal": {"measure": "minutes", "target": 90, "by": "2026-12-31"},
    }
    assert await stage.read("/preferences", "bob") == never | {"user_id": "bob"}


async def test_nobody_reads_the_preferences_of_another(stage: Stage) -> None:
    await stage.prefer(display_name="Ada")
    assert (await stage.get("/preferences", "bob", user_id="ada")).status_code == 403
    found = await stage.get("/preferences", "bob", user_id="ada", scope="progress:read:any")
    assert found.json()["display_name"] == "Ada"


async def test_off_leaves_badges_points_and_pressure_out(played: Stage) -> None:
    await played.prefer(gamification="off")
    progress = await played.read("")
    assert progress["gamification"] == "off"
    assert progress["exercises_completed"] == 3
    assert progress["achievements"] == {
        "unlocked": 0,
        "available": 0,
        "hidden": 0,
        "points": 0,
        "recent": [],
    }
    calm = {
        "current": 3,
        "longest": 3,
        "calendar_days": 3,
        "state": "safe",
        "last_active_day": "2026-11-21",
        "active_today": False,
        "at_risk": False,
        "expires_at": None,
        "repairable": None,
    }
    assert progress["streak"] == calm | {"freezes_left": 0, "next_freeze_in": None}
    assert await played.read("/achievements") == {
        "user_id": "ada",
        "totals": {"unlocked": 0, "available": 0, "hidden": 0, "points": 0},
        "achievements": [],
    }
    assert await played.read("/badges") == {
        "user_id": "ada",
        "points_earned": 0,
        "points_available": 0,
        "hidden": 0,
        "earned": [],
        "available": [],
    }
    for path in ("/achievements/first", "/achievements/first/explanation"):
        assert (await played.get(path)).status_code == 404
    streak = await played.read("/streak", days=6)
    meter = {"left": 0, "cap": 0, "earn_every": 3, "next_freeze_in": None}
    assert streak["daily"] == calm | {"freezes": meter}
    assert streak["weekly"]["needed"] == 0
    assert streak["weekly"]["skipped"] is False
    statuses = [None, "active", "active", "active", None, "future"]
    assert [day["status"] for day in streak["days"]] == statuses
    history = await played.read("/history", days=6)
    assert [day["status"] for day in history["days"]] == statuses
    assert {day["achievements_unlocked"] for day in history["days"]} == {0}
    assert {day["cumulative"]["achievements_unlocked"] for day in history["days"]} == {0}
    assert history["days"][-1]["cumulative"]["exercises_completed"] == 3


async def test_a_broken_streak_is_no_reproach(played: Stage) -> None:
    played.clock.set("2026-11-28T12:00:00Z")
    assert (await played.read("/streak"))["daily"]["state"] == "broken"
    await played.prefer(gamification="off")
    daily = (await played.read("/streak"))["daily"]
    assert (daily["state"], daily["current"], daily["repairable"]) == ("none", 0, None)
    await played.complete("2026-11-28T10:00:00Z")
    daily = (await played.read("/streak"))["daily"]
    assert (daily["state"], daily["current"]) == ("active_today", 1)


async def test_quiet_shows_everything_and_switching_back_does(played: Stage) -> None:
    before = await answers(played)
    await played.prefer(gamification="quiet")
    assert await answers(played) == before
    assert (await played.read(""))["gamification"] == "quiet"
    await played.prefer(gamification="off")
    off = await answers(played)
    for path in ("/statistics", "/skill-levels"):
        assert off[path] == before[path]
    changed = {path for path in PATHS if off[path] != before[path]}
    assert changed == {"", "/achievements", "/badges", "/history?days=10", "/streak?days=10"}
    await played.complete("2026-11-22T10:00:00Z", topic="graphs")
    await played.prefer(gamification="on")
    shown = await played.read("/achievements")
    assert {each["id"] for each in shown["achievements"] if each["unlocked"]} == {
        "first",
        "three_days",
        "hard_ones",
    }
    assert (await played.read("/streak"))["daily"]["current"] == 4


async def test_every_choice_changes_the_tags(played: Stage) -> None:
    tag = (await played.get("")).headers["etag"]
    await played.prefer(gamification="off")
    answer = await played.get("", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    tag = answer.headers["etag"]
    assert (await played.get("", headers={"If-None-Match": tag})).status_code == 304
    await played.prefer(gamification="on")
    assert (await played.get("", headers={"If-None-Match": tag})).status_code == 200


async def test_the_export_leaves_nothing_out(played: Stage) -> None:
    parts = ("achievements", "badges", "streak", "history")
    before = await played.read("/export")
    await played.prefer(gamification="off", goal=Goal("exercises", 9))
    found = await played.read("/export")
    assert found["streak"].pop("goal")["current"] == 0
    before["streak"].pop("goal")
    assert [found[part] for part in parts] == [before[part] for part in parts]
    assert found["progress"]["gamification"] == "off"


@pytest.mark.parametrize("gamification", ["on", "quiet", "off"])
@pytest.mark.parametrize(
    ("goal", "first", "last", "current"),
    [
        # The week of NOON begins with it; without an end, every week counts for itself.
        (Goal("exercises", 3), "2026-11-23", "2026-11-29", 2),
        (Goal("minutes", 3), "2026-11-23", "2026-11-29", 3),
        (Goal("active_days", 1), "2026-11-23", "2026-11-29", 1),
        (Goal("exercises", 4, dt.date(2026, 11, 30)), "2026-11-20", "2026-11-30", 4),
        (Goal("minutes", 6, dt.date(2026, 11, 30)), "2026-11-20", "2026-11-30", 5),
        (Goal("active_days", 3, dt.date(2026, 11, 22)), "2026-11-20", "2026-11-22", 2),
    ],
)
async def test_goals(
    stage: Stage, goal: Goal, first: str, last: str, current: int, gamification: str
) -> None:
    """The goal was set on the 20th of the learner's days, which is the 19th in UTC."""
    zone = "Pacific/Auckland"
    for day, seconds in (("19T02", 900), ("20T00", 61), ("22T00", 60)):
        await stage.complete(f"2026-11-{day}:00:00Z", seconds=seconds, timezone=zone)
    for seconds in (119, 100):
        await stage.complete("2026-11-23T01:00:00Z", seconds=seconds, timezone=zone)
    issued_at = dt.datetime(2026, 11, 19, 18, tzinfo=dt.UTC)
    assert (await stage.read("/streak"))["goal"] is None
    stage.clock.now = NOON - dt.timedelta(hours=2)
    await stage.prefer(goal=goal, issued_at=issued_at, gamification=gamification)
    assert (await stage.read("/streak"))["goal"] == {
        "measure": goal.measure,
        "target": goal.target,
        "by": goal.by and goal.by.isoformat(),
        "start_date": first,
        "end_date": last,
        "current": current,
        "reached": current >= goal.target,
    }


async def test_the_week_of_a_goal_is_that_of_the_rule_book(
    migrated_database: Database, stages: StageMaker
) -> None:
    stage = await stages(migrated_database, "streak: {week: {starts_on: sun, days: 3}}\n")
    await stage.complete("2026-11-22T10:00:00Z")
    await stage.prefer(goal=Goal("active_days", 2))
    goal = (await stage.read("/streak"))["goal"]
    assert (goal["start_date"], goal["end_date"], goal["current"]) == (
        "2026-11-22",
        "2026-11-28",
        1,
    )


def test_the_stream_says_what_the_learner_wants_to_hear(
    migrated_database: Database, tmp_path: Path
) -> None:
    with (
        saving(migrated_database, tmp_path) as worker,
        serve_view(migrated_database) as served,
        listening(served.address, served.headers("ada"), None) as stream,
    ):
        stream.until("progress")
        worker.complete(day=1)
        said = stream.until("progress")
        assert [(each.kind, each.data.get("quiet")) for each in said[:-1]] == [
            ("achievement", False)
        ]
        worker.command(preferences("ada", 1, gamification="quiet"))
        assert [each.kind for each in stream.until("progress")] == ["progress"]
        worker.complete(day=2)
        said = stream.until("progress")
        assert [(each.kind, each.data.get("quiet")) for each in said[:-1]] == [
            ("achievement", True)
        ]
        worker.command(preferences("ada", 2, gamification="off"))
        worker.complete(day=3)
        while (last := stream.until("progress")[-1]).id != str(worker.version()):
            assert last.kind == "progress"
        with listening(served.address, served.headers("ada"), "0") as again:
            assert [each.kind for each in again.until("progress")] == ["progress"]
        worker.command(preferences("ada", 3))
        with listening(served.address, served.headers("ada"), "0") as again:
            kinds = [each.kind for each in again.until("progress")]
        assert kinds == ["achievement"] * 3 + ["progress"]


async def test_the_page_without_a_game(migrated_database: Database, stages: StageMaker) -> None:
    stage = await stages(migrated_database, GAME, view_development_login=True)
    for day in (19, 20, 21):
        await stage.complete(f"2026-11-{day}T10:00:00Z", difficulty="hard")
    before = await page(stage)
    assert all(f'id="{part}"' in before for part in ("streak", "next", "badges", "year", "skills"))
    await stage.prefer(gamification="quiet")
    assert 'id="badges"' in await page(stage)
    await stage.prefer(gamification="off")
    calm = await page(stage)
    assert not any(f'id="{part}"' in calm for part in ("streak", "next", "badges"))
    assert all(f'id="{part}"' in calm for part in ("totals", "trend", "year", "skills"))
    assert 'class="s0 frozen"' not in calm
    for word in ("badge", "points", "freeze", "at risk", "in a row"):
        assert (
            word
            not in calm.lower()
            .replace("data-achievement", "")
            .split("<footer")[0]
            .split('<p class="news"')[0]
        )
    await stage.prefer(gamification="on")
    assert 'id="badges"' in await page(stage)


async def test_a_new_learner_without_a_game_is_promised_no_badge(
    migrated_database: Database, stages: StageMaker
) -> None:
    stage = await stages(migrated_database)
    assert "a badge" in await page(stage)
    await stage.prefer(gamification="off")
    welcome = await page(stage)
    assert "a badge" not in welcome
    assert "it shows up here" in welcome


async def page(stage: Stage) -> str:
    answer = await stage.client.get("/", headers={"Authorization": f"Bearer {stage.token()}"})
    assert answer.status_code == 200
    return answer.text
