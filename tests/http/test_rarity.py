"""How rare achievements are, by the last count, which is not read for each answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import ClauseElement

from progress_worker.http.rarity import ViewRarity
from progress_worker.storage.read.connections import Limits, ReadConnections
from tests.harness.storage import execute
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

HIDDEN = """
  - {id: secret, name: Secret, description: Two., category: effort, tier: gold, hidden: true,
     points: 50, icon: rock, rule: {exercises_completed: {at_least: 2}}}
"""
LIMITS = Limits(size=2, wait_seconds=5, connect_seconds=5, statement_seconds=5)
NOW = "2026-11-23T10:00:00Z"


def store(stage: Stage, learners: int, age: str = "0", **holders: int) -> None:
    """What a worker leaves after a pass."""
    execute(
        stage.database.owner_url,
        "INSERT INTO achievement_rarity VALUES ('counted', %s, %s, now() - %s::interval)"
        " ON CONFLICT (state) DO UPDATE SET learners = excluded.learners,"
        " holders = excluded.holders, stored_at = excluded.stored_at",
        learners,
        json.dumps(holders),
        age,
    )


async def rarities(stage: Stage, path: str = "/achievements") -> dict[str, Any]:
    """By the achievement's id."""
    answer = await stage.read(path)
    lists = [answer[name] for name in ("achievements", "earned", "available") if name in answer]
    return {each["id"]: each["rarity"] for found in lists for each in found}


@pytest.mark.parametrize("path", ["/achievements", "/badges"])
async def test_each_achievement_says_how_rare_it_is(stage: Stage, path: str) -> None:
    await stage.complete(NOW)
    store(stage, 200, first=200, three_days=21, hard_ones=1, wide=0)
    assert await rarities(stage, path) == {
        "first": rarity(200, 200, 100, "100", rare=False),
        "three_days": rarity(21, 200, 10, "10", rare=False),
        "hard_ones": rarity(1, 200, 0, "<1", rare=True),
        "wide": rarity(0, 200, 0, "0", rare=True),
    }


def rarity(holders: int, learners: int, percent: int, text: str, *, rare: bool) -> dict[str, Any]:
    return {
        "holders": holders,
        "learners": learners,
        "percent": percent,
        "text": text,
        "rare": rare,
    }


async def test_the_export_says_the_same(stage: Stage) -> None:
    await stage.complete(NOW)
    store(stage, 40, first=2)
    export = await stage.read("/export", format="json")
    (first,) = (each for each in export["achievements"]["achievements"] if each["id"] == "first")
    assert first["rarity"] == rarity(2, 40, 5, "5", rare=True)
    assert export["badges"]["earned"][0]["rarity"] == first["rarity"]


@pytest.mark.parametrize(
    ("learners", "age", "known"),
    [(20, "0", True), (19, "0", False), (20, "30 days", True), (20, "32 days", False)],
)
async def test_too_few_learners_and_counts_that_are_too_old_say_nothing(
    stage: Stage, learners: int, age: str, known: bool
) -> None:
    store(stage, learners, age, first=2)
    found = await rarities(stage)
    assert (found["first"] is not None) == known
    assert found["wide"] is None, "it was not counted"


async def test_before_the_first_count_nothing_is_known(stage: Stage) -> None:
    assert set((await rarities(stage)).values()) == {None}


async def test_a_pass_under_way_is_not_shown(stage: Stage) -> None:
    store(stage, 30, first=3)
    execute(
        stage.database.owner_url,
        "INSERT INTO achievement_rarity VALUES ('counting', 999, '{\"first\": 999}')",
    )
    assert (await rarities(stage))["first"]["learners"] == 30


async def test_what_is_hidden_has_no_rarity(stage: Stage, stages: StageMaker) -> None:
    opened = await stages(stage.database, HIDDEN)
    store(opened, 30, first=3, secret=3)
    await opened.complete(NOW)
    await opened.complete(NOW)
    for path in ("/achievements", "/badges"):
        found = await rarities(opened, path)
        assert found["secret"] is None
        assert found["first"] is not None


@pytest.mark.parametrize("path", ["/achievements", "/badges", "/export"])
async def test_a_new_count_changes_the_tag(stage: Stage, stages: StageMaker, path: str) -> None:
    await stage.complete(NOW)
    store(stage, 30, first=3)
    tag = (await stage.get(path)).headers["etag"]
    assert (await stage.get(path, headers={"If-None-Match": tag})).status_code == 304
    store(stage, 30, first=4)
    later = await stages(stage.database)
    assert (await later.get(path, headers={"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize("path", ["", "/statistics", "/streak", "/skill-levels"])
async def test_other_answers_keep_their_tags(stage: Stage, stages: StageMaker, path: str) -> None:
    await stage.complete(NOW)
    tag = (await stage.get(path)).headers["etag"]
    store(stage, 30, first=3)
    later = await stages(stage.database)
    assert (await later.get(path, headers={"If-None-Match": tag})).status_code == 304


async def test_it_is_read_once_a_minute_however_many_ask(stage: Stage) -> None:
    store(stage, 30, first=3)
    now = [1_000.0]
    connections = Counting(stage.settings.read_url, LIMITS)
    counts = ViewRarity(connections, clock=lambda: now[0])
    first, *others = await asyncio.gather(*(counts.current() for _ in range(50)))
    assert first is not None
    assert connections.reads == 1
    store(stage, 40, first=3)
    now[0] += 59.9
    assert (await counts.current()) == first
    now[0] += 0.1
    found = await asyncio.gather(*(counts.current() for _ in range(50)))
    assert connections.reads == 2
    assert [each.learners for each in found if each] == [40] + 49 * [30]
    assert len(others) == 49
    await connections.close()


async def test_a_reader_who_leaves_does_not_keep_others_from_reading(stage: Stage) -> None:
    store(stage, 30, first=3)
    connections = Counting(stage.settings.read_url, LIMITS)
    counts = ViewRarity(connections)
    reading = asyncio.create_task(counts.current())
    await connections.began.wait()
    reading.cancel()
    await asyncio.wait({reading})
    assert await counts.current() is not None
    await connections.close()


class Counting(ReadConnections):
    """Counts its reads."""

    def __init__(self, url: str, limits: Limits) -> None:
        super().__init__(url, limits)
        self.reads = 0
        self.began = asyncio.Event()

    async def one(self, statement: ClauseElement, **parameters: object) -> Any:
        self.reads += 1
        self.began.set()
        return await super().one(statement, **parameters)


async def test_nobody_is_refused_where_it_cannot_be_read(stage: Stage) -> None:
    """As by a view that is newer than the database."""
    await stage.complete(NOW)
    execute(stage.database.owner_url, "DROP TABLE achievement_rarity")
    assert set((await rarities(stage)).values()) == {None}
