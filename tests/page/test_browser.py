"""The page as a person meets it, in Chromium."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.page import pupils
from tests.page.looking import Scheme, look
from tests.page.site import Site

pytestmark = pytest.mark.integration

EVERYBODY = (
    pupils.RICH,
    pupils.NEW,
    pupils.AT_RISK,
    pupils.LAPSED,
    pupils.UNGRADED,
    *pupils.HOSTILE_USERS,
)
NAMES = ("rich", "new", "at-risk", "lapsed", "ungraded", "markup", "rtl", "emoji", "long")
WIDTHS = (360, 1440)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.mark.parametrize("user_id", EVERYBODY[:6], ids=NAMES[:6])
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
async def test_everybody_can_use_it(
    browser: Browser, site: Site, user_id: str, width: int, scheme: Scheme
) -> None:
    await _assert_usable(browser, site, user_id, width, scheme)


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1440, "dark")])
async def test_the_fullest_page_can_be_used_in_the_other_ways_too(
    browser: Browser, site: Site, width: int, scheme: Scheme
) -> None:
    await _assert_usable(browser, site, pupils.RICH, width, scheme)


async def _assert_usable(
    browser: Browser, site: Site, user_id: str, width: int, scheme: Scheme
) -> None:
    async with look(browser, site.link(user_id), width=width, scheme=scheme) as looked:
        assert looked.status == 200
        assert looked.page.url == f"{site.url}/"
        for summary in await looked.page.locator("summary").all():
            await summary.click()
        assert await looked.violations() == []
        assert await looked.page.title() == "Your progress"
        assert looked.complaints == []


@pytest.mark.parametrize("user_id", EVERYBODY, ids=NAMES)
@pytest.mark.parametrize("width", WIDTHS)
async def test_it_fits(browser: Browser, site: Site, user_id: str, width: int) -> None:
    async with look(browser, site.link(user_id), width=width) as looked:
        assert await looked.overflowing() == []
        for summary in await looked.page.locator("summary").all():
            await summary.click()
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


async def test_a_new_learner_is_welcome(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.NEW)) as looked:
        assert await looked.texts("h2") == ["A fresh page", "Badges"]
        (welcome,) = await looked.texts(".welcome")
        assert "10 exercises with an average grade of 60% or more" in welcome
        nearest = await looked.texts(".badge h4")
    assert nearest[0] == "First Step"


@pytest.mark.parametrize("user_id", pupils.HOSTILE_USERS, ids=NAMES[5:])
async def test_hostile_names_are_only_names(browser: Browser, site: Site, user_id: str) -> None:
    async with look(browser, site.link(user_id)) as looked:
        page = looked.page
        assert await page.locator("header bdi").text_content() == user_id
        topics = await page.locator(".skill h3").all_text_contents()
        assert await page.locator("script, img, iframe, [style], [onerror]").count() == 0
        assert await page.title() == "Your progress"
        assert looked.complaints == []
    unseen = {"\u2028 \t": "(nameless)"}
    assert sorted(topics) == sorted(unseen.get(topic, topic) for topic in pupils.HOSTILE_TOPICS)


async def test_it_needs_no_script(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.RICH), scripts=False) as looked:
        assert looked.status == 200
        assert await looked.page.locator("script").count() == 0
        figures = await looked.page.locator(".figures dd").all_text_contents()
        hidden = looked.page.get_by_role("table")
        assert await hidden.count() == 0
        await looked.page.get_by_text("The last seven days as a table").click()
        assert await hidden.count() == 1
    assert len(figures) == 6


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
        november = page.get_by_role("img", name="November 2026")
        described = await november.get_attribute("aria-labelledby")
        assert await page.locator(f"#{(described or '').split()[1]}").count() == 1
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


async def _name(region: Any) -> str:
    heading = await region.locator("h2").first.text_content()
    return heading or ""
