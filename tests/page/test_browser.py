"""The page as a person meets it, in Chromium."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.page import pupils
from tests.page.looking import Scheme, look
from tests.page.site import Site

pytestmark = pytest.mark.integration

EVERYBODY = (
    pupils.RICH,
    pupils.NEW,
    pupils.AT_RISK,
    pupils.LAPSED,
    pupils.RETURNING,
    pupils.PAUSED,
    pupils.UNGRADED,
    *pupils.HOSTILE_USERS,
)
NAMES = (
    "rich",
    "new",
    "at-risk",
    "lapsed",
    "returning",
    "paused",
    "ungraded",
    "markup",
    "rtl",
    "emoji",
    "long",
)
#: Those whom a change of the page is looked at with.
TYPICAL = (pupils.RICH, pupils.NEW, pupils.RETURNING, pupils.PAUSED)
WIDTHS = (360, 1440)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
#: Three screens of a small phone.
MOST_PIXELS = 3 * 740


@pytest.mark.parametrize("user_id", [pupils.AT_RISK, pupils.LAPSED, pupils.UNGRADED, pupils.MARKUP])
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
async def test_everybody_can_use_it(
    browser: Browser, site: Site, user_id: str, width: int, scheme: Scheme
) -> None:
    await _assert_usable(browser, site, user_id, width, scheme)


@pytest.mark.parametrize("user_id", TYPICAL)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_typical_learners_can_use_it_at_any_width_in_any_light(
    browser: Browser, site: Site, user_id: str, width: int, scheme: Scheme
) -> None:
    await _assert_usable(browser, site, user_id, width, scheme)


@pytest.mark.parametrize("user_id", EVERYBODY[:7], ids=NAMES[:7])
async def test_it_is_short_until_the_reader_asks_for_more(
    browser: Browser, site: Site, user_id: str
) -> None:
    async with look(browser, site.link(user_id), width=360) as looked:
        short = await looked.height()
        await looked.open_details()
        assert await looked.height() > short
    assert short <= MOST_PIXELS


async def _assert_usable(
    browser: Browser, site: Site, user_id: str, width: int, scheme: Scheme
) -> None:
    async with look(browser, site.link(user_id), width=width, scheme=scheme) as looked:
        assert looked.status == 200
        assert looked.page.url == f"{site.url}/"
        assert await looked.violations(contrast=False) == []
        await looked.open_details()
        assert await looked.violations() == []
        assert await looked.page.title() == "Your progress"
        assert looked.complaints == []


@pytest.mark.parametrize("user_id", EVERYBODY, ids=NAMES)
@pytest.mark.parametrize("width", WIDTHS)
async def test_it_fits(browser: Browser, site: Site, user_id: str, width: int) -> None:
    async with look(browser, site.link(user_id), width=width) as looked:
        assert await looked.overflowing() == []
        await looked.open_details()
        assert await looked.overflowing() == []
        scrollable = await looked.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        assert not scrollable


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
async def test_a_refusal_can_be_read(
    browser: Browser, site: Site, width: int, scheme: Scheme
) -> None:
    async with look(browser, site.url, width=width, scheme=scheme) as looked:
        assert looked.status == 401
        assert await looked.texts("h1") == ["You are not signed in"]
        assert await looked.overflowing() == []
        assert await looked.violations() == []
        (complaint,) = looked.complaints
        assert "401" in complaint


async def test_colours_follow_the_scheme(browser: Browser, site: Site) -> None:
    grounds = []
    for scheme in SCHEMES:
        async with look(browser, site.link(pupils.RICH), scheme=scheme) as looked:
            grounds.append(
                await looked.page.evaluate("getComputedStyle(document.body).backgroundColor")
            )
    assert grounds == ["rgb(245, 246, 244)", "rgb(16, 21, 23)"]


async def test_the_streak_and_the_next_step_stand_on_top(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.RICH), width=360) as looked:
        assert await looked.texts("h2") == [
            "Streak",
            "Next step",
            "In total",
            "Trend",
            "Difficulty",
            "A year of practice",
            "Topics",
            "Badges",
        ]
        next_step = await looked.page.locator("#next").bounding_box()
    assert next_step
    assert next_step["y"] + next_step["height"] <= 740


async def test_a_new_learner_is_welcome(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.NEW)) as looked:
        assert await looked.texts("h2") == ["A fresh page", "Badges"]
        (welcome,) = await looked.texts(".welcome")
        assert "10 exercises with an average grade of 60% or more" in welcome
        nearest = await looked.texts("#badges h4")
    assert nearest[0] == "First Step"


@pytest.mark.parametrize("user_id", pupils.HOSTILE_USERS, ids=NAMES[7:])
async def test_hostile_names_are_only_names(browser: Browser, site: Site, user_id: str) -> None:
    async with look(browser, site.link(user_id)) as looked:
        page = looked.page
        assert await page.locator("header bdi").text_content() == user_id
        topics = await page.locator("details .skill h3").all_text_contents()
        assert await page.locator("script:not([src]), img, iframe, [style], [onerror]").count() == 0
        assert await page.title() == "Your progress"
        assert looked.complaints == []
    unseen = {"\u2028 \t": "(nameless)"}
    assert sorted(topics) == sorted(unseen.get(topic, topic) for topic in pupils.HOSTILE_TOPICS)


async def test_it_needs_no_script(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.RICH), scripts=False) as looked:
        page = looked.page
        assert looked.status == 200
        for span, rows in (("Month", 30), ("Year", 12), ("Week", 7)):
            await page.locator("label", has_text=span).click()
            await page.locator("#trend details:visible summary").click()
            assert await page.locator("#trend tbody tr:visible").count() == rows
        await page.get_by_role("radio", name="Sunday, 22 November 2026").click()
        assert (await chosen_day(page)).startswith("Sunday, 22 November 2026:")
        await page.locator("#badges details").first.locator("summary").click()
        assert await page.locator("#badges details[open] .line:visible").count() == 7


async def test_days_are_read_with_the_keyboard(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.RICH), width=360) as looked:
        page = looked.page
        assert (await chosen_day(page)).startswith("Today, Monday, 23 November 2026: 1 exercise,")
        await page.locator("#trend details:visible summary").focus()
        await page.keyboard.press("Tab")
        for _ in range(30):
            await page.keyboard.press("ArrowUp")
        assert (await chosen_day(page)).startswith("Saturday, 24 October 2026:")
        focused = page.locator(":focus")
        assert await focused.get_attribute("name") == "day"
        outline = await focused.evaluate("element => getComputedStyle(element).outlineStyle")
        assert outline == "solid"
        box, window = await focused.bounding_box(), page.viewport_size
        assert box
        assert window
        assert 0 <= box["x"] <= window["width"] - box["width"]
        await page.keyboard.press("Tab")
        assert await page.locator(":focus").evaluate("element => element.tagName") == "SUMMARY"


async def test_days_can_be_touched(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.RICH), width=360) as looked:
        day = looked.page.get_by_role("radio", name="Sunday, 1 November 2026")
        box = await day.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 24
        await day.click()
        assert (await chosen_day(looked.page)).startswith("Sunday, 1 November 2026:")


async def chosen_day(page: Page) -> str:
    """What the calendar says below its days."""
    text: str = await page.locator(".calendar :checked").evaluate(
        "element => getComputedStyle(element, '::after').content"
    )
    return " ".join(text.strip('"').replace("\\a", " ").split())


async def test_a_screen_reader_finds_its_way(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.RICH)) as looked:
        page = looked.page
        for landmark in (
            page.get_by_role("banner"),
            page.get_by_role("main"),
            page.get_by_role("contentinfo"),
        ):
            assert await landmark.count() == 1
        regions = await page.locator("main section").all()
        for region in regions:
            assert await page.get_by_role("region", name=await _name(region)).count() == 1
        levels = [
            int((await heading.evaluate("element => element.tagName"))[1])
            for heading in await page.locator("h1, h2, h3, h4, h5, h6").all()
        ]
        assert await page.get_by_role("img", name="Time spent").count() == 1
        assert await page.get_by_role("group", name="Trend").get_by_role("radio").count() == 3
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


async def _name(region: Any) -> str:
    heading = await region.locator("h2").first.text_content()
    return heading or ""
