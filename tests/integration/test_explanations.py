"""Explanations by the view, of what the worker stored in a real database."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import random
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from progress_worker.embedded.database import Database
from progress_worker.storage.database import connect
from progress_worker.storage.write.retention import forget_completions
from tests.harness.events import Event, completed
from tests.harness.storage import Projection, execute, fetch
from tests.http.stage import Stage, open_stage
from tests.integration.test_walk import Ruled

pytestmark = pytest.mark.integration

RULES = """
version: 8
topics: {algorithms: {name: Algorithms, translations: {de: {name: Algorithmik}}}}
achievements:
  - {id: first, name: First, description: One., category: c, tier: bronze, points: 1, icon: i,
     translations: {de: {name: Anfang}}, rule: {exercises_completed: {at_least: 1}}}
  - {id: hard, name: Hard, description: Hard ones., category: c, tier: bronze, points: 1, icon: i,
     rule: {exercises_completed: {at_least: 2, difficulty: hard}}}
  - id: complete
    name: Complete
    description: Everything at once.
    category: c
    tier: gold
    points: 1
    icon: i
    translations: {de: {name: Vollständig}}
    requires: [first]
    rule:
      all:
        - exercises_completed: {at_least: 3, topic: algorithms, difficulty: hard}
        - streak: {days: 2}
  - {id: busy, name: Busy, description: A week., category: c, tier: bronze, points: 1, icon: i,
     repeat: each_week, rule: {exercises_completed: {at_least: 2}}}
  - {id: secret, name: Secret, description: Hidden., category: c, tier: gold, points: 1, icon: i,
     hidden: true, rule: {exercises_completed: {at_least: 4}}}
  - {id: masked, name: Masked, description: Hidden., category: c, tier: gold, points: 1, icon: i,
     hidden: progress, rule: {exercises_completed: {at_least: 5}}}
  - {id: fragile, name: Fragile, description: F., category: c, tier: gold, points: 1, icon: i,
     revocation: withdraw, rule: {exercises_completed: {at_least: 2, min_grade: 90}}}
"""
#: What asks for more, and what is not there any more.
NEWER = RULES.replace("version: 8", "version: 9").replace(
    "at_least: 2, difficulty: hard", "at_least: 5, difficulty: hard, max_hints: 9"
)


@pytest.fixture
async def ruled(projected: Projection, migrated_database: Database) -> Ruled:
    ruled = Ruled(projected, migrated_database.owner_url)
    await ruled.activate(RULES)
    return ruled


def some(count: int, **changes: object) -> list[Event]:
    """Exercises of that many minutes of a Monday; each in its order of work."""
    return [
        completed("ada", completed_at=f"2026-03-02T10:{minute:02}:00Z", **changes)
        for minute in range(count)
    ]


async def explained(stage: Stage, name: str, **query: Any) -> Any:
    return await stage.read(f"/achievements/{name}/explanation", **query)


def digest(events: list[Event]) -> str:
    lines = sorted(f"{event['event_id']}:{event.get('revision', 0)}\n" for event in events)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


async def test_one_achievement_is_an_item_of_the_list(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(2))
    listed = (await stage.read("/achievements"))["achievements"]
    assert {each["id"] for each in listed} >= {"first", "hard", "masked"}
    for each in listed:
        assert await stage.read(f"/achievements/{each['id']}") == each


async def test_an_unlocked_one(ruled: Ruled, stage: Stage) -> None:
    easy, hard = some(1, difficulty="easy"), some(3, difficulty="hard", hints_used=2)
    await ruled.apply(*easy, *hard)
    found = await explained(stage, "hard")
    (recorded_at,) = fetch(
        ruled.url, "SELECT recorded_at FROM achievement_unlock WHERE achievement_id = 'hard'"
    )[0]
    assert dt.datetime.fromisoformat(found["unlock"].pop("recorded_at")) == recorded_at
    measure = "exercises_completed[difficulty=hard]"
    assert found["unlock"] == {
        "unlocked_at": hard[1]["completed_at"],
        "generation": 1,
        "backdated": False,
        "trigger": {
            "event_id": hard[1]["event_id"],
            "completed_at": hard[1]["completed_at"],
            "still_counts": True,
        },
        "measured": {"measure": measure, "value": 2, "target": 2, "parts": []},
    }
    assert found["still_holds"] == {
        "by_rules_of_that_day": True,
        "by_todays_rules": True,
        "todays_rule_version": 8,
        "todays_status": "active",
    }
    assert (found["rule_version"], found["rules_of_that_day"], found["occurrence"]) == (8, True, 1)
    assert found["rule"] == {
        "node": 0,
        "sentence": "You completed 3 of 2 exercises marked hard.",
        "rule": {"exercises_completed": {"difficulty": "hard", "at_least": 2}},
        "requires": None,
        "measure": measure,
        "value": 3,
        "target": 2,
        "missing": 0,
        "holds": True,
        "window": None,
        "days": None,
        "parts": [],
    }
    assert found["evidence"] == {
        "count": 3,
        "sha256": digest(hard),
        "complete": True,
        "completions_kept_from": None,
    }
    assert [each["event_id"] for each in found["completions"]] == [
        event["event_id"] for event in reversed(hard)
    ]
    assert found["completions"][0] == {
        "event_id": hard[2]["event_id"],
        "revision": 0,
        "nodes": [0],
        "exercise_id": "two-sum",
        "topic": "algorithms",
        "difficulty": "hard",
        "grade": 80,
        "time_spent_seconds": 60,
        "hints_used": 2,
        "completed_at": "2026-03-02T10:02:00Z",
        "local_day": "2026-03-02",
    }
    assert found["next"] is None


async def test_postgres_gives_the_digest_as_the_documentation_says(
    ruled: Ruled, stage: Stage
) -> None:
    events = some(7, difficulty="hard")
    await ruled.apply(
        *events, events[3] | {"revision": 2}, events[5] | {"revision": 1, "revoked": True}
    )
    query = """
    SELECT event_id || ':' || revision FROM completion
    WHERE user_id = 'ada' AND NOT revoked AND difficulty = 'hard' ORDER BY event_id
    """
    printed = "".join(f"{line}\n" for (line,) in fetch(ruled.url, query))
    found = (await explained(stage, "hard"))["evidence"]
    assert found["sha256"] == hashlib.sha256(printed.encode()).hexdigest()
    assert found["count"] == 6


async def test_a_locked_one_says_what_is_missing(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(1, difficulty="hard"))
    found = await explained(stage, "hard")
    assert (found["unlock"], found["still_holds"]) == (None, None)
    assert (found["rule"]["missing"], found["rule"]["holds"]) == (1, False)
    assert found["rule"]["sentence"] == "You completed 1 of 2 exercises marked hard."
    stranger = await stage.read("/achievements/hard/explanation", "grace")
    assert stranger["rule"]["missing"] == 2
    assert stranger["evidence"]["sha256"] == hashlib.sha256(b"").hexdigest()


async def test_all_parts_in_two_languages(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    path = "/achievements/complete/explanation"
    english = await stage.get(path, headers={"Accept-Language": "en"})
    german = await stage.get(path, headers={"Accept-Language": "de-AT, en;q=0.5"})
    french = await stage.get(path, headers={"Accept-Language": "fr"})
    assert (english.json()["name"], german.json()["name"]) == ("Complete", "Vollständig")
    assert sentences(english.json()["rule"]) == [
        "1 of 2 parts hold.",
        "0 of 2 parts hold.",
        "You completed 2 of 3 exercises marked hard in Algorithms.",
        "Your longest streak is 1 of 2 days.",
        "You have “First”.",
    ]
    assert sentences(german.json()["rule"]) == [
        "1 von 2 Teilen ist erfüllt.",
        "0 von 2 Teilen sind erfüllt.",
        "Du hast 2 von 3 schweren Aufgaben in Algorithmik gelöst.",
        "Deine längste Serie hat 1 von 2 Tagen.",
        "Du hast „Anfang“.",
    ]
    assert english.headers["content-language"] == "en"
    assert german.headers["content-language"] == "de"
    assert french.json() == english.json()
    assert "Accept-Language" in german.headers["vary"]
    assert english.headers["etag"] != german.headers["etag"]
    streak = english.json()["rule"]["parts"][0]["parts"][1]
    assert streak["days"] == [
        {"first_day": "2026-03-02", "last_day": "2026-03-02", "status": "active"}
    ]
    assert [each["nodes"] for each in english.json()["completions"]] == [[2], [2]]


def sentences(node: Any) -> list[str]:
    return [node["sentence"], *(text for part in node["parts"] for text in sentences(part))]


async def test_the_rule_of_that_day_after_a_newer_rule_book(ruled: Ruled, stage: Stage) -> None:
    hard = some(3, difficulty="hard", hints_used=2)
    await ruled.apply(*hard)
    await ruled.activate(NEWER)
    await ruled.walk_on()
    await stage.app.close()
    found = await explained(stage, "hard")
    assert found["rule_version"] == 8
    assert found["rule"]["sentence"] == "You completed 3 of 2 exercises marked hard."
    assert found["still_holds"] == {
        "by_rules_of_that_day": True,
        "by_todays_rules": False,
        "todays_rule_version": 9,
        "todays_status": "active",
    }
    assert found["evidence"]["sha256"] == digest(hard)


@pytest.mark.parametrize(
    ("status", "holds"), [("paused", True), ("closed", True), ("withdrawn", None)]
)
async def test_todays_status(ruled: Ruled, stage: Stage, status: str, holds: bool | None) -> None:
    """Before the walk, the learner still has the rule book of that day."""
    await ruled.apply(*some(2, difficulty="hard"))
    changed = RULES.replace("version: 8", "version: 9").replace(
        "{id: hard,", f"{{id: hard, status: {status},"
    )
    await ruled.activate(changed)
    found = (await explained(stage, "hard"))["still_holds"]
    assert (found["todays_status"], found["by_todays_rules"]) == (status, holds)


async def test_a_rule_book_without_it(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    start, end = RULES.index("  - {id: hard"), RULES.index("  - id: complete")
    await ruled.activate((RULES[:start] + RULES[end:]).replace("version: 8", "version: 9"))
    found = (await explained(stage, "hard"))["still_holds"]
    assert (found["todays_status"], found["by_todays_rules"]) == ("absent", None)
    await ruled.walk_on()
    assert (await stage.get("/achievements/hard/explanation")).status_code == 404


async def test_an_unlock_of_a_rule_book_that_is_not_there(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    execute(ruled.url, "UPDATE achievement_unlock SET rule_version = 3")
    found = await explained(stage, "hard")
    assert (found["rule_version"], found["rules_of_that_day"]) == (8, False)


async def test_a_hidden_one_is_like_an_unknown_one(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(3))
    for end in ("", "/explanation"):
        for headers in ({}, {"If-None-Match": "*"}):
            bodies = []
            for name in ("secret", "unknown", "Secret%0A", "a/b", "", "%00", "x" * 500):
                answer = await stage.get(f"/achievements/{name}{end}", headers=headers)
                assert answer.status_code == 404, (name, end)
                assert answer.headers.get("etag") is None
                bodies.append({**answer.json(), "request_id": ""})
            assert all(body == bodies[0] for body in bodies)
    await ruled.apply(completed("ada", completed_at="2026-03-02T11:00:00Z"))
    assert (await explained(stage, "secret"))["rule"]["value"] == 4


async def test_hidden_progress_stays_hidden_until_it_is_unlocked(
    ruled: Ruled, stage: Stage
) -> None:
    await ruled.apply(*some(3))
    found = await explained(stage, "masked")
    assert found["progress_hidden"]
    assert (found["rule"], found["evidence"], found["completions"]) == (None, None, [])
    await ruled.apply(*some(2))
    assert (await explained(stage, "masked"))["rule"]["value"] == 5


async def test_weeks(ruled: Ruled, stage: Stage) -> None:
    first = some(2)
    second = [completed("ada", completed_at=f"2026-03-1{day}T10:00:00Z") for day in range(3)]
    await ruled.apply(*first, *second)
    last = await explained(stage, "busy")
    assert (last["occurrence"], last["rule"]["window"], last["rule"]["value"]) == (
        202611,
        "202611",
        3,
    )
    assert last["evidence"]["sha256"] == digest(second)
    assert last["rule"]["sentence"] == "In week 2026-W11 you completed 3 of 2 exercises."
    other = await explained(stage, "busy", occurrence=202610)
    assert (other["unlock"]["trigger"]["event_id"], other["evidence"]["sha256"]) == (
        first[1]["event_id"],
        digest(first),
    )
    idle = await explained(stage, "busy", occurrence=202612)
    assert (idle["unlock"], idle["rule"]["value"], idle["evidence"]["count"]) == (None, 0, 0)
    for name, occurrence, status in (
        ("busy", 202660, 404),
        ("hard", 2, 404),
        ("hard", 0, 422),
        ("hard", "x", 422),
    ):
        answer = await stage.get(f"/achievements/{name}/explanation", occurrence=occurrence)
        assert answer.status_code == status


async def test_the_next_generation(ruled: Ruled, stage: Stage) -> None:
    events = some(2, grade=95)
    await ruled.apply(*events)
    await ruled.apply(events[1] | {"revision": 1, "revoked": True})
    lost = await explained(stage, "fragile")
    assert (lost["unlock"], lost["rule"]["missing"]) == (None, 1)
    again = completed("ada", completed_at="2026-03-02T12:00:00Z", grade=95)
    await ruled.apply(again)
    found = await explained(stage, "fragile")
    assert found["unlock"]["generation"] == 2
    assert found["unlock"]["trigger"]["event_id"] == again["event_id"]


async def test_a_trigger_that_was_revoked(ruled: Ruled, stage: Stage) -> None:
    events = some(2, difficulty="hard")
    await ruled.apply(*events)
    await ruled.apply(events[1] | {"revision": 1, "revoked": True})
    found = await explained(stage, "hard")
    assert found["unlock"]["trigger"]["still_counts"] is False
    assert found["still_holds"]["by_rules_of_that_day"] is False
    assert found["unlock"]["measured"]["value"] == 2
    assert found["evidence"]["sha256"] == digest(events[:1])


async def test_after_retention(ruled: Ruled, stage: Stage) -> None:
    old, young = (
        some(3, difficulty="hard"),
        completed("ada", difficulty="hard", completed_at="2026-03-20T10:00:00Z"),
    )
    await ruled.apply(*old, young)
    before = await stage.get("/achievements/hard/explanation")
    execute(ruled.url, "UPDATE completion SET stored_at = '2026-01-01Z'")
    keys = fetch(ruled.url, "SELECT user_id, event_id FROM completion")
    limit = dt.datetime(2026, 3, 10, tzinfo=dt.UTC)
    async with connect(ruled.parts.engine) as connection:
        await forget_completions(connection, [(user, event) for user, event in keys], before=limit)
        await connection.commit()
    after = await stage.get(
        "/achievements/hard/explanation", headers={"If-None-Match": before.headers["etag"]}
    )
    assert after.status_code == 200
    found = after.json()
    assert found["evidence"] == {
        "count": 1,
        "sha256": digest([young]),
        "complete": False,
        "completions_kept_from": "2026-03-10T00:00:00Z",
    }
    assert (found["rule"]["value"], found["unlock"]["trigger"]["still_counts"]) == (4, False)


async def test_pages(ruled: Ruled, stage: Stage) -> None:
    events = some(45)
    await ruled.apply(*events)
    path, ids, query = "/achievements/first/explanation", [], dict[str, Any]()
    while True:
        page = await stage.read(path, **query)
        assert page["evidence"]["count"] == 45
        assert len(page["completions"]) <= 20
        ids += [each["event_id"] for each in page["completions"]]
        if page["next"] is None:
            break
        query = {"before": page["next"]}
    assert ids == [event["event_id"] for event in reversed(events)]
    assert len((await stage.read(path, limit=100))["completions"]) == 45
    for wrong in ({"limit": 0}, {"limit": 101}, {"before": "x"}, {"before": f"~{uuid4()}"}):
        assert (await stage.get(path, **wrong)).status_code == 422


async def test_tags(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(2))
    for path in ("/achievements/hard", "/achievements/hard/explanation"):
        first = await stage.get(path)
        again = await stage.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        await ruled.apply(completed("ada", completed_at="2026-03-04T10:00:00Z"))
        other = await stage.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert other.status_code == 200


async def test_todays_rules_are_part_of_the_tag(
    ruled: Ruled, stage: Stage, migrated_database: Database
) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    first = await stage.get("/achievements/hard/explanation")
    await ruled.activate(NEWER)
    async with open_stage(migrated_database, {}) as other:
        known = {"If-None-Match": first.headers["etag"]}
        answer = await other.get("/achievements/hard/explanation", headers=known)
    assert answer.status_code == 200
    assert answer.json()["still_holds"]["by_todays_rules"] is False


async def test_other_learners(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    for path in ("/achievements/hard", "/achievements/hard/explanation"):
        assert (await stage.client.get(f"/api/progress{path}")).status_code == 401
        assert (await stage.get(path, "grace", user_id="ada")).status_code == 403
        told = await stage.get(path, "grace", user_id="ada", scope="progress:read:any")
        assert told.status_code == 200
        assert told.json() == (await stage.get(path)).json()


async def test_many_at_once_take_turns(ruled: Ruled, stage: Stage) -> None:
    """Two connections are for long reads, and one learner takes one of them."""
    await ruled.apply(*some(30))
    asked = [stage.get("/achievements/first/explanation") for _ in range(12)]
    answers: list[httpx.Response] = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 12


PAGE = Path("docs/explanations.md").read_text("utf-8")
#: Each filter of the documentation, and the condition that it gives an auditor.
FILTERS = re.findall(r"^\| `(.+?: .+?)` \| `(.+)` \|$", PAGE, re.MULTILINE)


async def test_an_auditor_finds_the_digests(ruled: Ruled, stage: Stage) -> None:
    """By the conditions of the documentation, each for a rule of its own."""
    assert len(FILTERS) == 10
    entries = [
        f"  - {{id: of_{n}, name: N, description: D, category: c, tier: gold, points: 1, icon: i,\n"
        f"     rule: {{exercises_completed: {{at_least: 1, {asked}}}}}}}\n"
        for n, (asked, _) in enumerate(FILTERS)
    ]
    await ruled.activate(RULES.replace("version: 8", "version: 9") + "".join(entries))
    rng = random.Random(5)
    await ruled.apply(
        *(
            completed(
                "ada",
                topic=rng.choice(["algorithms", "databases"]),
                difficulty=rng.choice(["easy", "hard"]),
                grade=rng.choice([None, 59.99, 60, 90]),
                hints_used=rng.choice([0, 1, 2]),
                time_spent_seconds=rng.choice([0, 600, 601]),
                completed_at=f"2026-{rng.choice(['03-28', '03-30', '04-01', '04-02'])}"
                f"T{rng.choice(['02:59', '03:00', '11:00', '12:30'])}:00+02:00",
                timezone=rng.choice([None, "Europe/Berlin", "Asia/Tokyo"]),
            )
            for _ in range(60)
        )
    )
    for n, (asked, condition) in enumerate(FILTERS):
        query = f"""
        SELECT event_id || ':' || revision FROM completion
        WHERE user_id = 'ada' AND NOT revoked AND {condition} ORDER BY event_id
        """
        with psycopg.connect(ruled.url) as connection:
            lines = [line for (line,) in connection.execute(query.encode()).fetchall()]
        assert 0 < len(lines) < 60, asked
        printed = "".join(f"{line}\n" for line in lines)
        found = await explained(stage, f"of_{n}", limit=100)
        assert found["evidence"]["sha256"] == hashlib.sha256(printed.encode()).hexdigest(), asked
