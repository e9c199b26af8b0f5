"""The page of a learner who wants it quiet, or without the game, and of one who changes it."""

from __future__ import annotations

import datetime as dt

import pytest
from playwright.async_api import Browser, expect

from progress_worker.domain.preferences import Gamification, Preference
from progress_worker.embedded.database import Database
from tests.http.learners import Learners
from tests.http.stage import NOON
from tests.page import pupils
from tests.page.looking import look
from tests.page.site import BOOK
from tests.page.test_live import USER, streaming

pytestmark = pytest.mark.integration


async def choose(learners: Learners, revision: int, gamification: Gamification) -> None:
    at = NOON + dt.timedelta(seconds=revision)
    await learners.prefer(USER, Preference(revision, at, gamification=gamification))


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
async def test_the_game_goes_and_comes_back_while_the_reader_looks(
    browser: Browser, migrated_database: Database, language: str
) -> None:
    learners = Learners(migrated_database, BOOK)
    await learners.apply(pupils.completion(USER, 1))
    with streaming(migrated_database) as (url, stream):
        async with look(browser, url, language=language) as looked:
            page = looked.page
            await expect(page.locator("#badges")).to_be_visible()
            await choose(learners, 1, "off")
            await stream.send("progress")
            for part in ("#badges", "#streak", "#next"):
                await expect(page.locator(part)).to_have_count(0)
            await expect(page.locator("#year")).to_be_visible()
            assert await looked.violations() == []
            assert await looked.overflowing() == []
            await choose(learners, 2, "on")
            await stream.send("progress")
            await expect(page.locator("#badges")).to_be_visible()
            await expect(page.locator("#streak")).to_be_visible()
            assert looked.complaints == []
    await learners.close()


async def test_quiet_news_bring_the_figures_up_to_date_and_say_nothing(
    browser: Browser, migrated_database: Database
) -> None:
    learners = Learners(migrated_database, BOOK)
    await learners.apply(pupils.completion(USER, 1))
    await choose(learners, 1, "quiet")
    with streaming(migrated_database) as (url, stream):
        async with look(browser, url) as looked:
            page = looked.page
            await expect(page.locator("#badges")).to_be_visible()
            await learners.apply(pupils.completion(USER, 0))
            await stream.send("level", topic="graphs", level="advanced", quiet=True)
            await stream.send("achievement", id="first_step", name="First Step", quiet=True)
            await expect(page.locator(".figures dd").first).to_have_text("2")
            assert await page.get_by_role("status").text_content() == ""
            await stream.send("achievement", id="first_step", name="First Step", quiet=False)
            await expect(page.get_by_role("status")).to_have_text("New badge: First Step")
            assert looked.complaints == []
    await learners.close()


@pytest.mark.parametrize("width", [360, 1440])
async def test_a_page_without_a_game_is_whole(
    browser: Browser, migrated_database: Database, width: int
) -> None:
    learners = Learners(migrated_database, BOOK)
    await learners.apply(*(pupils.completion(USER, day) for day in (1, 2, 5)))
    await choose(learners, 1, "off")
    with streaming(migrated_database) as (url, _):
        async with look(browser, url, width=width) as looked:
            titles = await looked.texts("h2")
            assert "Badges" not in titles
            assert "Streak" not in titles
            assert titles
            assert await looked.violations() == []
            assert await looked.overflowing() == []
    await learners.close()
