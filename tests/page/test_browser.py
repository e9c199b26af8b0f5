"""The page as a person meets it, in Chromium."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser

from progress_worker.http import page_text
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
SECONDS = 20


async def answer(site: Site, user_id: str, path: str = "") -> Any:
    """What the JSON view says."""
    headers = {"Authorization": f"Bearer {site.token(user_id)}"}
    async with httpx.AsyncClient(base_url=site.url, timeout=SECONDS) as client:
        found = await client.get(f"/api/progress{path}", headers=headers)
    assert found.status_code == 200
    return found.json()


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


async def test_totals_and_streak_are_those_of_the_json_view(browser: Browser, site: Site) -> None:
    progress = await answer(site, pupils.RICH)
    async with look(browser, site.link(pupils.RICH)) as looked:
        figures = dict(
            zip(await looked.texts(".figures dt"), await looked.texts(".figures dd"), strict=True)
        )
        streak = await looked.texts(".streak .big, .streak dd")
    achievements = progress["achievements"]
    assert figures == {
        "Exercises": page_text.number(progress["exercises_completed"]),
        "Time spent": page_text.duration(progress["time_spent_seconds"]),
        "Average grade": page_text.grade(progress["average_grade"]),
        "Hints used": page_text.number(progress["hints_used"]),
        "Badges earned": f"{achievements['unlocked']} of {achievements['available']}",
        "Points": page_text.number(achievements["points"]),
    }
    assert streak[:3] == [
        f"{progress['streak']['current']} days in a row",
        f"{progress['streak']['longest']} days",
        "23 November 2026",
    ]


@pytest.mark.parametrize(
    ("user_id", "said"),
    [
        (pupils.RICH, "You have practised today."),
        (pupils.AT_RISK, "One exercise keeps the streak alive."),
        (pupils.LAPSED, "The next exercise begins a new streak."),
    ],
)
async def test_the_streak_says_what_to_do(
    browser: Browser, site: Site, user_id: str, said: str
) -> None:
    async with look(browser, site.link(user_id)) as looked:
        assert said in " ".join(await looked.texts(".streak"))


async def test_the_calendar_shows_every_day_of_the_history(browser: Browser, site: Site) -> None:
    history = await answer(site, pupils.RICH, "/history?start_date=2025-12-01")
    days = {day["date"]: day["exercises_completed"] for day in history["days"]}
    async with look(browser, site.link(pupils.RICH)) as looked:
        shown = await looked.page.locator(".months rect title").all_text_contents()
        (row,) = await looked.texts(".streak dl div:last-child dd")
        await looked.page.get_by_text("The calendar as a table").click()
        table = await looked.texts("section[aria-labelledby=year] tbody tr")
    assert shown == [
        f"{page_text.weekday_and_day(dt.date.fromisoformat(date))}: "
        f"{page_text.counted(exercises, 'exercise')}"
        for date, exercises in days.items()
    ]
    assert row == str(sum(exercises > 0 for exercises in days.values()))
    november = [exercises for date, exercises in days.items() if date.startswith("2026-11")]
    active = sum(exercises > 0 for exercises in november)
    assert table[0].startswith(f"November 2026 {active} {sum(november)} ")
    assert len(table) == 12


async def test_the_bars_are_the_trend(browser: Browser, site: Site) -> None:
    trend = (await answer(site, pupils.RICH, "/statistics"))["trend"]
    async with look(browser, site.link(pupils.RICH)) as looked:
        described = await looked.page.locator("#bars-text").text_content()
        bars = looked.page.locator(".bars rect")
        heights = [float(await bar.get_attribute("height") or 0) for bar in await bars.all()]
        await looked.page.get_by_text("The last seven days as a table").click()
        table = await looked.texts("section[aria-labelledby=week] tbody tr")
    counts = [day["exercises_completed"] for day in trend]
    assert described == (
        ", ".join(
            f"{page_text.weekday(dt.date.fromisoformat(day['date']))}: {day['exercises_completed']}"
            for day in trend
        )
        + "."
    )
    assert [round(height / max(heights) * max(counts)) for height in heights] == counts
    assert [row.split()[4] for row in table] == [str(count) for count in reversed(counts)]


async def test_levels_and_the_way_on(browser: Browser, site: Site) -> None:
    levels = (await answer(site, pupils.RICH, "/skill-levels"))["skill_levels"]
    async with look(browser, site.link(pupils.RICH)) as looked:
        cards = await looked.texts(".skill")
    assert len(cards) == len(levels)
    for level in levels:
        (card,) = [card for card in cards if card.startswith(f"{level['topic']} ")]
        assert f" {level['level'].capitalize()} " in card
        assert f"{level['exercises_completed']} exercise" in card
        assert page_text.grade(level["average_grade"]) in card
        if level["next_level"]:
            assert level["next_level"]["level"] in card
            assert page_text.grade(level["next_level"]["grade_needed"]) in card


async def test_badges_are_those_of_the_json_view(browser: Browser, site: Site) -> None:
    badges = await answer(site, pupils.RICH, "/badges")
    achievements = await answer(site, pupils.RICH, "/achievements")
    progress = {found["id"]: found["progress"] for found in achievements["achievements"]}
    async with look(browser, site.link(pupils.RICH)) as looked:
        await looked.page.get_by_text("more badges").click()
        names = await looked.texts(".badge:not(:has(progress)) h4")
        nearest = await looked.texts(".badge:has(progress)")
        values = [
            await bar.get_attribute("value")
            for bar in await looked.page.locator(".badge progress").all()
        ]
    assert names == [badge["name"] for badge in badges["earned"]]
    near = badges["available"][:4]
    assert values == [str(badge["percent"]) for badge in near]
    for text, badge in zip(nearest, near, strict=True):
        assert text.startswith(badge["name"])
        assert f"{progress[badge['id']]['current']:,} of " in text


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
