"""The page behind a gateway that signs the reader in, and the events that it listens to there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from playwright.async_api import Browser, expect

from progress_worker.embedded.database import Database
from tests.harness.gateway import EventStream, Gateway
from tests.harness.served import App, served
from tests.http.learners import Learners
from tests.page import pupils
from tests.page.looking import Looked, look
from tests.page.site import BOOK, open_site

pytestmark = pytest.mark.integration

USER = "ada"


@contextmanager
def gateway(
    database: Database, user_id: str = USER, own: dict[str, App] | None = None, scope: str = ""
) -> Iterator[str]:
    """The address of a gateway before a view that has no login of its own."""
    with (
        open_site(database, development_login=False) as site,
        served(Gateway(site.url, site.token(user_id, scope), own)) as url,
    ):
        yield url


@contextmanager
def streaming(database: Database, **options: str) -> Iterator[tuple[str, EventStream]]:
    """The same, with a stream of events that the test sends."""
    stream = EventStream()
    with gateway(database, own={"/events": stream}, **options) as url:
        try:
            yield url, stream
        finally:
            stream.close()


@pytest.fixture
async def learners(migrated_database: Database) -> AsyncIterator[Learners]:
    """Ada has practised yesterday."""
    learners = Learners(migrated_database, BOOK)
    await learners.apply(pupils.completion(USER, 1))
    yield learners
    await learners.close()


async def exercises(looked: Looked) -> str:
    return (await looked.texts(".figures dd"))[0]


async def test_a_gateway_that_signs_the_reader_in_is_enough(
    browser: Browser, migrated_database: Database, learners: Learners
) -> None:
    with gateway(migrated_database) as url:
        async with look(browser, url) as looked:
            assert looked.status == 200
            assert await looked.texts("header bdi") == [USER]
            assert await looked.page.locator(".icon").first.is_visible()
            assert await looked.page.context.cookies() == []
            async with looked.page.expect_download() as downloading:
                await looked.page.get_by_role("link", name="Download").click()
            path = await (await downloading.value).path()
            assert len(path.read_text(encoding="utf-8").splitlines()) == 2
            assert looked.complaints == []


async def test_an_unlock_is_told_and_the_figures_follow(
    browser: Browser, migrated_database: Database, learners: Learners
) -> None:
    with streaming(migrated_database) as (url, stream):
        async with look(browser, url) as looked:
            page = looked.page
            news = page.get_by_role("status")
            assert await news.text_content() == ""
            assert await exercises(looked) == "1"
            await learners.apply(pupils.completion(USER, 0, topic="operating-systems"))
            await stream.send("achievement", id="back_again", name="Back <b>Again</b>")
            await expect(news).to_have_text("New badge: Back <b>Again</b>")
            await expect(page.locator(".figures dd").first).to_have_text("2")
            await expect(page.locator("#streak")).to_contain_text("2 days in a row")
            assert await page.get_by_role("heading", name="Back Again").count() > 0
            assert await looked.violations() == []
            await stream.send("level", topic="operating-systems", level="advanced")
            await expect(news).to_contain_text("New level: How computers work, advanced")
            await stream.send("level", topic='graphs "x"', level="intermediate")
            await expect(news).to_contain_text('New level: graphs "x", intermediate')
            assert stream.queries == ["last_event_id=1"]
            assert looked.complaints == []


async def tell_again(database: Database) -> None:
    """Let the learner's unlocks be those of a new version."""
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("UPDATE learner SET version = 9")
        connection.execute("UPDATE achievement_unlock SET learner_version = 9")


@pytest.mark.parametrize("signed_in", ["by a gateway", "by a cookie"])
async def test_the_view_itself_tells_of_an_unlock(
    browser: Browser, migrated_database: Database, learners: Learners, signed_in: str
) -> None:
    with ExitStack() as stack:
        if signed_in == "by a gateway":
            url = stack.enter_context(gateway(migrated_database))
        else:
            url = stack.enter_context(open_site(migrated_database)).link(USER)
        async with look(browser, url) as looked:
            page = looked.page
            assert await exercises(looked) == "1"
            await learners.apply(pupils.completion(USER, 0, topic="operating-systems"))
            await expect(page.locator(".figures dd").first).to_have_text("2")
            assert await page.get_by_role("status").text_content() == ""
            await tell_again(migrated_database)
            await expect(page.get_by_role("status")).to_contain_text("New badge: First Step")
            assert looked.complaints == []


async def test_what_the_reader_is_reading_stays_as_it_is(
    browser: Browser, migrated_database: Database, learners: Learners
) -> None:
    with streaming(migrated_database) as (url, stream):
        async with look(browser, url) as looked:
            page = looked.page
            await page.locator("#badges summary").first.click()
            await page.locator("label", has_text="Year").click()
            await page.locator(".calendar :checked").focus()
            await learners.apply(pupils.completion(USER, 0))
            await stream.send("progress", exercises_completed=2)
            await expect(page.locator(".figures dd").first).to_have_text("2")
            assert await page.locator("#badges details[open]").count() == 1
            assert await page.locator(":focus").get_attribute("name") == "day"
            assert await page.locator("#span-year").is_checked()


async def test_the_first_exercise_opens_the_whole_page(
    browser: Browser, migrated_database: Database, learners: Learners
) -> None:
    with streaming(migrated_database, user_id="new") as (url, stream):
        async with look(browser, url) as looked:
            assert await looked.texts("h2") == ["A fresh page", "Badges"]
            await learners.apply(pupils.completion("new", 0))
            await stream.send("progress")
            await expect(looked.page.locator("#streak")).to_contain_text("1 day in a row")


async def test_news_do_not_move_where_motion_is_unwelcome(
    browser: Browser, migrated_database: Database, learners: Learners
) -> None:
    with streaming(migrated_database) as (url, stream):
        async with look(browser, url) as looked:
            moves = {}
            for motion in ("reduce", "no-preference"):
                await looked.page.emulate_media(reduced_motion=motion)
                await stream.send("achievement", id="first_step", name="First Step")
                await expect(looked.page.get_by_role("status")).not_to_be_empty()
                moves[motion] = await looked.page.locator(".news").evaluate(
                    "element => getComputedStyle(element).animationName"
                )
    assert moves == {"reduce": "none", "no-preference": "rise"}


async def test_a_teacher_hears_about_the_learner_whose_page_it_is(
    browser: Browser, migrated_database: Database, learners: Learners
) -> None:
    with streaming(migrated_database, user_id="teacher", scope="progress:read:any") as (
        url,
        stream,
    ):
        async with look(browser, f"{url}/?user_id={USER}") as looked:
            await expect(looked.page.locator("h1")).to_contain_text(USER)
            await stream.send("achievement", id="first_step", name="First Step")
            await expect(looked.page.get_by_role("status")).to_contain_text(USER)
            assert stream.queries == [f"last_event_id=1&user_id={USER}"]


async def test_a_view_without_events_is_asked_once(
    browser: Browser, migrated_database: Database, learners: Learners
) -> None:
    asked = []

    async def nothing(scope: dict[str, str], _receive: object, send: object) -> None:
        asked.append(scope["path"])
        start = {"type": "http.response.start", "status": 404, "headers": []}
        await send(start)  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    with gateway(migrated_database, own={"/events": nothing}) as url:
        async with look(browser, url) as looked:
            await looked.page.wait_for_timeout(5_000)
            assert await exercises(looked) == "1"
            assert looked.complaints == []
    assert asked == ["/events"]


async def test_news_are_in_the_readers_language(
    browser: Browser, migrated_database: Database, learners: Learners
) -> None:
    with streaming(migrated_database) as (url, stream):
        async with look(browser, url, language="de-DE") as looked:
            news = looked.page.get_by_role("status")
            await stream.send("achievement", id="back_again", name="Wieder $& da")
            await expect(news).to_have_text("Neues Abzeichen: Wieder $& da")
            await stream.send("level", topic="{level}", level="advanced")
            await expect(news).to_contain_text("Neue Stufe: {level}, Fortgeschritten")
