"""Achievements in the language that the reader asks for, and what caches get to know of it."""

from __future__ import annotations

import csv
import io

import pytest

from progress_worker.embedded.database import Database
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

#: An achievement of the usual rule book's, in three languages.
TRANSLATED = """
  - {id: also, name: Also, description: One more., goal: Begin, category: c, tier: gold, points: 1,
     icon: star, rule: {exercises_completed: {at_least: 1}},
     translations: {de: {name: Auch, description: Noch eine., goal: Fang an}, it: {name: Anche}}}
"""
#: The answers that hold texts of the rule book.
WITH_TEXTS = ("", "/achievements", "/badges", "/export")
WITHOUT = ("/statistics", "/history", "/streak", "/skill-levels", "/skill-levels/graphs")


@pytest.fixture
async def stage(migrated_database: Database, stages: StageMaker) -> Stage:
    """A view whose rule book has a German text for one of its achievements."""
    stage = await stages(migrated_database, rules=TRANSLATED)
    await stage.complete("2026-11-23T10:00:00Z")
    return stage


def asking(languages: str, **headers: str) -> dict[str, str]:
    return {"Accept-Language": languages, **headers}


async def test_achievements_are_named_in_the_readers_language(stage: Stage) -> None:
    progress = (await stage.get("", headers=asking("de-AT, en;q=0.5"))).json()
    assert [found["name"] for found in progress["achievements"]["recent"]] == ["First", "Auch"]
    listed = (await stage.get("/achievements", headers=asking("de"))).json()["achievements"]
    texts = {found["id"]: (found["name"], found["description"], found["goal"]) for found in listed}
    assert texts["also"] == ("Auch", "Noch eine.", "Fang an")
    assert texts["wide"] == ("Wide", "Four topics.", None), "the default text stands in"
    badges = (await stage.get("/badges", headers=asking("de"))).json()
    earned = [(found["name"], found["goal"]) for found in badges["earned"]]
    assert earned == [("First", None), ("Auch", "Fang an")]
    export = (await stage.get("/export", headers=asking("de"))).json()
    assert export["progress"] == progress | {"as_of": export["progress"]["as_of"]}
    assert export["achievements"]["achievements"] == listed
    assert export["badges"] == badges


@pytest.mark.parametrize("languages", ["", "fr", "*", "en-GB", "de_AT", ";;q=,", "de;q=0"])
async def test_everybody_else_reads_the_default_text(stage: Stage, languages: str) -> None:
    answer = await stage.get("/badges", headers=asking(languages))
    assert answer.json()["earned"][1]["name"] == "Also"
    assert answer.headers["content-language"] == "en"
    assert answer.headers["etag"] == (await stage.get("/badges")).headers["etag"]


@pytest.mark.parametrize("path", WITH_TEXTS)
async def test_each_language_has_its_own_tag(stage: Stage, path: str) -> None:
    english = await stage.get(path, headers=asking("en"))
    german = await stage.get(path, headers=asking("de"))
    assert english.headers["content-language"] == "en"
    assert german.headers["content-language"] == "de"
    assert english.headers["etag"] != german.headers["etag"]
    vary = "Authorization, Accept-Encoding, Accept-Language"
    for languages, first, other in (("en", english, german), ("de-CH", german, english)):
        tag = first.headers["etag"]
        again = await stage.get(path, headers=asking(languages, **{"If-None-Match": tag}))
        assert (again.status_code, again.content) == (304, b"")
        assert first.headers["vary"] == again.headers["vary"] == vary
        kept = ("etag", "cache-control", "content-language")
        assert [again.headers[name] for name in kept] == [first.headers[name] for name in kept]
        tag = other.headers["etag"]
        changed = await stage.get(path, headers=asking(languages, **{"If-None-Match": tag}))
        assert changed.status_code == 200
        assert changed.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("path", WITHOUT)
async def test_an_answer_without_texts_is_the_same_in_every_language(
    stage: Stage, path: str
) -> None:
    english, german = [await stage.get(path, headers=asking(tag)) for tag in ("en", "de")]
    assert english.content == german.content
    assert english.headers["etag"] == german.headers["etag"]
    for answer in (english, german):
        assert answer.headers["vary"] == "Authorization, Accept-Encoding"
        assert "content-language" not in answer.headers


async def test_a_csv_export_has_no_language(stage: Stage) -> None:
    english, german = [
        await stage.get("/export", format="csv", headers=asking(x)) for x in ("en", "de")
    ]
    assert len(list(csv.reader(io.StringIO(german.text)))) == 2
    assert english.headers["etag"] == german.headers["etag"]
    assert "content-language" not in german.headers


async def test_a_rule_book_may_be_written_in_another_language(
    migrated_database: Database, stages: StageMaker
) -> None:
    rules = TRANSLATED.replace("de: {name", "en: {name") + "language: fr\n"
    stage = await stages(migrated_database, rules=rules)
    for languages, name, language in (
        ("", "Also", "fr"),
        ("en", "Auch", "en"),
        ("de", "Also", "fr"),
    ):
        answer = await stage.get("/achievements", headers=asking(languages))
        assert answer.json()["achievements"][-1]["name"] == name
        assert answer.headers["content-language"] == language
