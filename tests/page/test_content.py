"""What the page shows is what the JSON view says."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser

from progress_worker.http.page import text as page_text
from tests.page import pupils
from tests.page.looking import look
from tests.page.site import Site

pytestmark = pytest.mark.integration

SECONDS = 20


async def answer(site: Site, user_id: str, path: str = "") -> Any:
    """What the JSON view says."""
    headers = {"Authorization": f"Bearer {site.token(user_id)}"}
    async with httpx.AsyncClient(base_url=site.url, timeout=SECONDS) as client:
        found = await client.get(f"/api/progress{path}", headers=headers)
    assert found.status_code == 200
    return found.json()


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
