"""The page in the reader's language."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from playwright.async_api import Browser

from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.http.page.languages import Languages, shipped_languages
from tests.http.stage import Stage, StageMaker
from tests.page import pupils
from tests.page.arabic import arabic
from tests.page.looking import look
from tests.page.site import Site, add_pupils, open_site

pytestmark = pytest.mark.integration

#: The built-in rule book, with a name for a topic.
BOOK: Final = read_rule_book(
    built_in_text()
    + "\ntopics:\n  algorithms: {name: Algorithms, translations: {de: {name: Algorithmen}}}\n"
)
RULES: Final = """
  - {id: also, name: Also, description: One more., category: c, tier: gold, points: 1, icon: star,
     rule: {exercises_completed: {at_least: 1}},
     translations: {de: {name: Auch}, fr: {name: Aussi}}}
"""
VARY: Final = "Authorization, Accept-Encoding, Accept-Language, Cookie"
TYPICAL: Final = (pupils.RICH, pupils.NEW, pupils.PAUSED)


@pytest.fixture(scope="module")
async def site(postgres: Postgres, migrated_template: str) -> AsyncIterator[Site]:
    """The page of every pupil, in English, German and a language from the right to the left."""
    database = postgres.create_database("page_languages", migrated_template)
    await add_pupils(database, BOOK)
    languages = Languages([*shipped_languages().all, arabic()])
    with open_site(database, book=BOOK, page_languages=languages) as opened:
        yield opened
    postgres.drop_database(database.name)


@pytest.mark.parametrize("user_id", TYPICAL)
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize(
    ("language", "tag", "direction"), [("de-AT", "de", "ltr"), ("ar", "ar", "rtl")]
)
async def test_everybody_can_use_it_in_any_language(
    browser: Browser, site: Site, user_id: str, width: int, language: str, tag: str, direction: str
) -> None:
    async with look(browser, site.link(user_id), width=width, language=language) as looked:
        html = looked.page.locator("html")
        assert await html.get_attribute("lang") == tag
        assert await html.get_attribute("dir") == direction
        assert await looked.violations(contrast=False) == []
        assert await looked.overflowing() == []
        await looked.open_details()
        assert await looked.violations() == []
        assert await looked.overflowing() == []
        scrollable = await looked.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        assert not scrollable
        assert looked.complaints == []


async def test_german_is_short_enough_for_a_small_phone(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.RICH), width=360, language="de-DE") as looked:
        assert await looked.height() <= 3 * 740


@pytest.mark.parametrize("user_id", TYPICAL)
async def test_every_text_of_the_page_is_translated(
    browser: Browser, site: Site, user_id: str
) -> None:
    async with look(browser, site.link(user_id), language="ar") as looked:
        await looked.open_details()
        # Names are those of the rule book, of topics, of the learner, and of the time zone.
        shown = await looked.page.evaluate(
            """() => {
                const copy = document.documentElement.cloneNode(true);
                copy.querySelectorAll('[dir=auto], bdi').forEach(name => name.remove());
                const named = [...copy.querySelectorAll('[aria-label]')];
                const labels = named.map(e => e.getAttribute('aria-label'));
                return [copy.textContent, ...labels].join(' ');
            }"""
        )
    assert re.findall(r"[A-Za-z]+", shown.replace("Europe/Berlin", "").replace("UTC", "")) == []


async def test_german(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.RICH), language="de-DE") as looked:
        assert await looked.page.title() == "Dein Fortschritt"
        assert await looked.texts("header time") == ["Montag, 23. November 2026"]
        assert await looked.texts("h2") == [
            *("Serie", "Nächster Schritt", "Insgesamt", "Verlauf", "Schwierigkeit"),
            *("Ein Jahr Übung", "Themen", "Abzeichen"),
        ]
        assert await looked.texts(".step") == ["Übe morgen, dann sind es 7 Tage in Folge."]
        await looked.open_details()
        names = await looked.texts("#badges h4:visible")
        assert "Erster Schritt" in names
        assert "Algorithmen" in await looked.texts(".skill h3:visible")
        day = looked.page.get_by_role("radio", name="Sonntag, 22. November 2026:")
        assert await day.count() == 1
        assert await looked.page.locator("h4[lang]").count() == 0


@pytest.fixture
async def stage(migrated_database: Database, stages: StageMaker) -> Stage:
    """A view whose rule book is in English, and has one achievement in German and French."""
    stage = await stages(migrated_database, RULES)
    await stage.complete("2026-11-23T10:00:00Z")
    return stage


async def page(stage: Stage, languages: str, **headers: str) -> httpx.Response:
    asked = {"Authorization": f"Bearer {stage.token()}", "Accept-Language": languages, **headers}
    return await stage.client.get("/", headers=asked)


async def test_each_language_has_its_own_tag(stage: Stage) -> None:
    english, german = await page(stage, "en"), await page(stage, "de-CH")
    assert "<title>Your progress</title>" in english.text
    assert "<title>Dein Fortschritt</title>" in german.text
    for languages, tag, first, other in (
        ("en", "en", english, german),
        ("de", "de", german, english),
    ):
        again = await page(stage, languages, **{"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        for answer in (first, again):
            assert answer.headers["content-language"] == tag
            assert answer.headers["vary"] == VARY
        changed = await page(stage, languages, **{"If-None-Match": other.headers["etag"]})
        assert changed.status_code == 200
        assert changed.headers["etag"] == first.headers["etag"]


async def test_texts_of_the_rule_book_may_be_in_another_language_than_the_page(
    stage: Stage,
) -> None:
    french, english = await page(stage, "fr, de;q=0.5"), await page(stage, "en")
    assert '<html lang="de" dir="ltr">' in french.text
    assert '<h4 dir="auto" lang="fr">Aussi</h4>' in french.text
    assert french.headers["etag"] != (await page(stage, "de")).headers["etag"]
    assert '<h4 dir="auto">Also</h4>' in english.text


async def test_without_a_wish_the_page_is_in_the_rule_books_language(
    migrated_database: Database, stages: StageMaker
) -> None:
    rules = RULES.replace("de: {name: Auch}, ", "") + "language: de\n"
    stage = await stages(migrated_database, rules)
    assert '<html lang="de"' in (await page(stage, "")).text
    assert '<html lang="de"' in (await page(stage, "es, ;;q")).text
    assert '<html lang="en"' in (await page(stage, "en")).text


@pytest.mark.parametrize(
    ("languages", "tag", "title"),
    [
        ("de-AT,de;q=0.9", "de", "Du bist nicht angemeldet"),
        ("fr", "en", "You are not signed in"),
        ("", "en", "You are not signed in"),
    ],
)
async def test_a_refusal_is_in_the_readers_language(
    stage: Stage, languages: str, tag: str, title: str
) -> None:
    answer = await stage.client.get("/", headers={"Accept-Language": languages})
    assert answer.status_code == 401
    assert f'<html lang="{tag}" dir="ltr">' in answer.text
    assert f"<h1>{title}</h1>" in answer.text
    assert answer.headers["content-language"] == tag
    assert "Accept-Language" in answer.headers["vary"].split(", ")
