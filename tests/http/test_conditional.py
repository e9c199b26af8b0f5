"""Entity tags, and the round trips that an answer costs, counted on the wire."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from progress_worker.domain.rulebook import read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.http.conditional import tag_of
from progress_worker.storage.read.views import Stamp
from tests.http.stage import CATALOGUE, NOON, Stage, StageMaker
from tests.http.wire import tapped

pytestmark = pytest.mark.integration

PATHS = (
    "",
    "/achievements",
    "/badges",
    "/statistics",
    "/history",
    "/streak",
    "/skill-levels",
    "/skill-levels/graphs",
    "/export",
)


@pytest.mark.parametrize("path", PATHS)
async def test_an_unchanged_answer_is_304_until_the_learner_changes(
    stage: Stage, path: str
) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    first = await stage.get(path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    has_texts = path in ("", "/achievements", "/badges", "/export")
    vary = "Authorization, Accept-Encoding" + (", Accept-Language" if has_texts else "")
    assert first.headers["vary"] == vary
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await stage.get(path, headers={"If-None-Match": known})
        assert again.status_code == 304, known
        assert again.content == b""
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "private, no-cache"
    await stage.complete("2026-11-23T10:30:00Z")
    changed = await stage.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_an_unknown_tag_gets_the_answer(stage: Stage) -> None:
    for known in ('"nonsense"', "nonsense", "", ",", 'W/"'):
        assert (await stage.get("", headers={"If-None-Match": known})).status_code == 200


async def test_questions_learners_and_rules_have_tags_of_their_own(
    stage: Stage, stages: StageMaker, migrated_database: Database
) -> None:
    other = await stages(migrated_database)
    tags = [
        (await stage.get("")).headers["etag"],
        (await stage.get("/badges")).headers["etag"],
        (await stage.get("", "bob")).headers["etag"],
        (await stage.get("/statistics")).headers["etag"],
        (await stage.get("/statistics", period="daily")).headers["etag"],
        (await stage.get("/export", format="csv")).headers["etag"],
        (await stage.get("/export", format="json")).headers["etag"],
    ]
    assert len(set(tags)) == len(tags)
    assert (await other.get("")).headers["etag"] == tags[0]


def test_a_tag_changes_with_the_rule_book() -> None:
    renamed = CATALOGUE.replace("name: Wide", "name: Broad")
    higher = "levels: {intermediate: {exercises: 11, mean_grade: 60}}\n" + CATALOGUE
    scope = {"type": "http", "path": "/api/progress", "query_string": b"", "headers": []}
    tags = [
        tag_of(Request(scope), "ada", Stamp(read_rule_book(text)), NOON)
        for text in (CATALOGUE, renamed, higher, CATALOGUE)
    ]
    assert len(set(tags)) == 3
    assert tags[0] == tags[3]


@pytest.mark.parametrize("path", PATHS[:-1])
async def test_an_answer_is_one_round_trip(
    stages: StageMaker, migrated_database: Database, path: str
) -> None:
    async with tapped(migrated_database) as (wire, behind):
        stage = await stages(behind)
        await stage.complete("2026-11-23T10:00:00Z")
        tag = (await stage.get(path)).headers["etag"]
        await stage.get(path, headers={"If-None-Match": tag})
        # From now on both statements are prepared.
        for _ in range(8):
            before = wire.round_trips
            assert (await stage.get(path)).status_code == 200
            assert wire.round_trips - before == 1
            before = wire.round_trips
            assert (await stage.get(path, headers={"If-None-Match": tag})).status_code == 304
            assert wire.round_trips - before == 1
