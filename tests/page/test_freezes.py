"""Freezes and excused days on the page: the calendar, the streak, and what is said of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser

from progress_worker.domain.completion import Completion
from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from tests.http.learners import Learners
from tests.http.stage import Stage, StageMaker, excuse_of
from tests.page.looking import Scheme, look
from tests.page.pupils import completion
from tests.page.site import Site, open_site

pytestmark = pytest.mark.integration

FREEZES = "streak: {freezes: {cap: 2, earn_every: 5}}\n"
BOOK = read_rule_book(f"{built_in_text()}\n{FREEZES}")
USER = "katherine"


def katherine() -> Iterator[Completion]:
    """Eight weeks of practice with single days off, and an empty week that was excused."""
    for back in range(1, 57):
        if back not in (2, 9, 18, *range(25, 32), 40):
            for number in range(1 + back % 4):
                yield completion(USER, back, number=number)


@pytest.fixture(scope="session")
async def freezing_site(postgres: Postgres, migrated_template: str) -> AsyncIterator[Site]:
    """The page of a learner with frozen and excused days; tests leave it as it is."""
    database = postgres.create_database("freezing", migrated_template)
    learners = Learners(database, BOOK)
    await learners.apply(*katherine())
    await learners.excuse(excuse_of("2026-10-23", "2026-10-29", user_id=USER))
    await learners.close()
    with open_site(database, book=BOOK) as opened:
        yield opened
    postgres.drop_database(database.name)


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "light"), (360, "dark"), (1440, "light"), (1440, "dark")]
)
async def test_everybody_can_use_it(
    browser: Browser, freezing_site: Site, width: int, scheme: Scheme
) -> None:
    address = freezing_site.link(USER)
    async with look(browser, address, width=width, scheme=scheme) as looked:
        assert await looked.violations(contrast=False) == []
        assert await looked.overflowing() == []
        next_step = await looked.page.locator("#next .step").bounding_box()
        assert next_step
        assert next_step["y"] + next_step["height"] <= 740
        await looked.open_details()
        assert await looked.violations() == []
        assert looked.complaints == []


async def test_the_calendar_marks_frozen_and_excused_days(
    browser: Browser, freezing_site: Site
) -> None:
    async with look(browser, freezing_site.link(USER)) as looked:
        marked = {
            status: [
                " ".join((await day.get_attribute("aria-label") or "").split())
                for day in await looked.page.locator(f".weeks .{status}").all()
            ]
            for status in ("frozen", "excused")
        }
        images = {
            status: await looked.page.locator(f".weeks .{status}").first.evaluate(
                "element => getComputedStyle(element).backgroundImage"
            )
            for status in marked
        }
        legend = await looked.texts("#year .legend span")
    assert marked["frozen"] == [
        f"{day} 2026: no exercise, covered by a freeze"
        for day in (
            *("Wednesday, 14 October", "Thursday, 5 November", "Saturday, 14 November"),
            "Saturday, 21 November",
        )
    ]
    assert marked["excused"][0] == "Friday, 23 October 2026: no exercise, excused"
    assert len(marked["excused"]) == 7
    assert images["frozen"].startswith("linear-gradient"), "not by colour alone"
    assert images["excused"].startswith("radial-gradient"), "not by colour alone"
    assert legend[-2:] == ["none, covered by a freeze", "none, excused"]


async def test_the_streak_tells_of_freezes(browser: Browser, freezing_site: Site) -> None:
    async with look(browser, freezing_site.link(USER)) as looked:
        (streak,) = await looked.texts("#streak")
        assert await looked.texts("#next .step") == ["Practise today to make it 46 days in a row."]
    assert streak == (
        "Streak 45 days in a row Nothing yet today. The streak is safe until midnight on Tuesday. "
        "1 freeze left. The next one comes after 4 more active days. "
        "8 weeks in a row, active on 21 of the last 28 days "
        "Longest 45 days Active in a year 45 days"
    )


@pytest.fixture
async def stage(migrated_database: Database, stages: StageMaker) -> Stage:
    """A view of learners with freezes, a Monday at noon."""
    return await stages(migrated_database, FREEZES)


async def said(stage: Stage, now: str, user_id: str | None = None) -> str:
    """The page at that moment, in one line. With a learner's id, a teacher looks at it."""
    stage.clock.set(now)
    token = stage.token("teacher", scope="progress:read:any") if user_id else stage.token()
    answer = await stage.client.get(
        "/",
        headers={"Authorization": f"Bearer {token}"},
        params={"user_id": user_id} if user_id else {},
    )
    assert answer.status_code == 200
    return " ".join(answer.text.split())


async def ten_days(stage: Stage) -> None:
    """Practise from the 10th to the 19th of November, which earns both freezes."""
    for day in range(10, 20):
        await stage.complete(f"2026-11-{day}T10:00:00Z")


@pytest.mark.parametrize(
    ("day", "sentences"),
    [
        (
            19,
            (
                "<p>You have practised today.</p>",
                "The streak is safe until midnight on Sunday. 2 freezes left. More cannot be "
                "saved up.</p>",
                "Practise tomorrow to make it 11 days in a row.",
            ),
        ),
        (
            20,
            (
                "<p>Nothing yet today.</p>",
                "The streak is safe until midnight on Sunday. 2 freezes left.",
                "Practise today to make it 11 days in a row.",
            ),
        ),
        (
            21,
            (
                "<p>You last practised on 19 November 2026. A freeze covers Friday, "
                "20 November 2026.</p>",
                "The streak can be saved until midnight on Sunday. 1 freeze left. The next one "
                "comes after 5 more active days.",
            ),
        ),
        (
            22,
            (
                "<p>Nothing yet today. 2 freezes cover what was missed from 20 November 2026 to "
                "21 November 2026.</p>",
                "The streak can be saved until midnight tonight. No freeze left.",
                "Practise today to keep your 10 days in a row.",
            ),
        ),
        (
            23,
            (
                "<p>You last practised on 19 November 2026. The gap since then: 3 days, from "
                "20 November 2026 to 22 November 2026.</p>",
                "5 active days earn a freeze, which covers a missed day.</p>",
                "Practise today to begin a new streak.",
            ),
        ),
    ],
)
async def test_what_is_said_day_by_day(stage: Stage, day: int, sentences: tuple[str, ...]) -> None:
    await ten_days(stage)
    page = await said(stage, f"2026-11-{day}T12:00:00Z")
    for sentence in sentences:
        assert sentence in page
    about = await said(stage, f"2026-11-{day}T12:00:00Z", "ada")
    assert sentences[1] in about, "said in the same words about a learner"
    for spoken_to in ("You have", "You last", "Practise today", "keep your"):
        assert spoken_to not in about


async def test_an_excused_day_asks_for_nothing(stage: Stage) -> None:
    await ten_days(stage)
    await stage.excuse("2026-11-20", "2026-12-06")
    page = await said(stage, "2026-11-23T12:00:00Z")
    assert "<p>Today is excused.</p>" in page
    assert "The streak is safe until midnight on 9 December 2026." in page
    assert "The streak waits. An exercise today would make it 11 days in a row." in page
    assert "Today, Monday, 23 November 2026: no exercise, excused" in page
    about = await said(stage, "2026-11-23T12:00:00Z", "ada")
    assert "has practised 10 days in a row. Today is excused.</p>" in about
    assert "The streak waits." in about


async def test_nothing_is_said_of_freezes_where_there_are_none(
    migrated_database: Database, stages: StageMaker
) -> None:
    stage = await stages(migrated_database)
    await ten_days(stage)
    for day in (19, 20, 25):
        page = await said(stage, f"2026-11-{day}T12:00:00Z")
        for word in ("freeze", "frozen", "excused", "safe until", "saved until", "The gap"):
            assert word not in page
    assert "2 weeks in a row, active on 10 of the last 28 days" in await said(
        stage, "2026-11-20T12:00:00Z"
    )


async def test_habits_are_only_told_where_there_are_some(stage: Stage) -> None:
    await ten_days(stage)
    page = await said(stage, "2026-12-10T12:00:00Z")
    assert ">Active on 7 of the last 28 days</p>" in page
    assert "habits" not in await said(stage, "2027-01-10T12:00:00Z")


def test_the_pupils_days_are_those_of_the_calendar() -> None:
    days = {each.local_day for each in katherine()}
    assert dt.date(2026, 11, 21) not in days
    assert len(days) == 45
