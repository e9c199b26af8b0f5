"""What the page shows is what the JSON view says."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser

from progress_worker.http.page.languages import shipped_languages
from tests.page import pupils
from tests.page.looking import look
from tests.page.site import BOOK, Site

pytestmark = pytest.mark.integration

SECONDS = 20
ENGLISH = shipped_languages().choose("en")


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
        (streak,) = await looked.texts("#streak")
        (counts,) = await looked.texts("#badges > .quiet")
        assert "hint" not in await looked.page.locator("main h2, main dt").all_inner_texts()
    achievements = progress["achievements"]
    assert figures == {
        "Exercises": ENGLISH.number(progress["exercises_completed"]),
        "Time spent": ENGLISH.duration(progress["time_spent_seconds"]),
        "Average grade": ENGLISH.grade(progress["average_grade"]),
    }
    assert f" {progress['streak']['current']} days in a row " in streak
    assert f" Longest {progress['streak']['longest']} days " in streak
    assert counts == (
        f"{achievements['unlocked']} of {achievements['available']} earned, "
        f"{achievements['points']:,} points. "
        f"{achievements['hidden']} badges stay hidden until earned."
    )


@pytest.mark.parametrize(
    ("user_id", "streak", "step"),
    [
        (
            pupils.RICH,
            "You have practised today.",
            "Practise tomorrow to make it 7 days in a row.",
        ),
        (pupils.AT_RISK, "Nothing yet today.", "Practise today to keep your 4 days in a row."),
        (
            pupils.LAPSED,
            "You last practised on 23 October 2026.",
            "Practise today to begin a new streak.",
        ),
        (
            pupils.RETURNING,
            "You have practised today.",
            "Practise tomorrow to make it 3 days in a row.",
        ),
        (
            pupils.PAUSED,
            "You last practised on 18 October 2026.",
            "Practise today to begin a new streak.",
        ),
    ],
)
async def test_the_page_says_what_to_do_next(
    browser: Browser, site: Site, user_id: str, streak: str, step: str
) -> None:
    async with look(browser, site.link(user_id)) as looked:
        assert streak in " ".join(await looked.texts("#streak"))
        assert await looked.texts("#next .step") == [step]


async def test_the_next_steps_are_the_nearest_badge_and_level(browser: Browser, site: Site) -> None:
    nearest = (await answer(site, pupils.AT_RISK, "/badges"))["available"][0]
    async with look(browser, site.link(pupils.AT_RISK)) as looked:
        badge, level = await looked.texts("#next .line")
    (found,) = [each for each in BOOK.achievements if each.id == nearest["id"]]
    assert badge.startswith(f"{nearest['name']} badge {found.goal} ")
    assert (
        level
        == "algorithms level 6 more exercises to intermediate. Keep the average at 60% or above."
    )


async def test_the_calendar_shows_every_day_of_the_history(browser: Browser, site: Site) -> None:
    history = await answer(site, pupils.RICH, "/history?start_date=2025-12-01")
    async with look(browser, site.link(pupils.RICH)) as looked:
        squares = looked.page.locator(".weeks input")
        shown = [
            " ".join((await square.get_attribute("aria-label") or "").split())
            for square in await squares.all()
        ]
        (streak,) = await looked.texts("#streak")
        await looked.page.locator("#year summary").click()
        table = await looked.texts("#year tbody tr")
    assert shown == [_said(day) for day in history["days"][:-1]] + [
        f"Today, {_said(history['days'][-1])}"
    ]
    days = {day["date"]: day["exercises_completed"] for day in history["days"]}
    active = sum(exercises > 0 for exercises in days.values())
    assert streak.endswith(f"Active in a year {active} days")
    november = [exercises for date, exercises in days.items() if date.startswith("2026-11")]
    active = sum(exercises > 0 for exercises in november)
    assert table[0].startswith(f"November 2026 {active} {sum(november)} ")
    assert len(table) == 12


def _said(day: dict[str, Any]) -> str:
    date = ENGLISH.weekday_and_day(dt.date.fromisoformat(day["date"]))
    if not day["exercises_completed"]:
        return f"{date}: no exercise"
    return (
        f"{date}: {ENGLISH.say('figures.exercises', count=day['exercises_completed'])}, "
        f"{ENGLISH.duration(day['time_spent_seconds'])}, "
        f"average {ENGLISH.grade(day['average_grade'])}"
    )


async def test_the_trend_is_that_of_the_json_view(browser: Browser, site: Site) -> None:
    trend = (await answer(site, pupils.RICH, "/statistics"))["trend"]
    month = await answer(site, pupils.RICH, "/statistics?period=monthly")
    async with look(browser, site.link(pupils.RICH)) as looked:
        page = looked.page
        bars = page.locator(".span.week .bar")
        heights = [float(await bar.get_attribute("height") or 0) for bar in await bars.all()]
        dots = await page.locator(".span.week .dot").count()
        await page.locator("#trend details:visible summary").click()
        table = await looked.texts("#trend tbody tr:visible")
        await page.locator("label", has_text="Month").click()
        (summary,) = await looked.texts(".span.month > p:first-child")
    seconds = [day["time_spent_seconds"] for day in trend]
    assert heights == [round(100 * spent / max(seconds)) for spent in seconds if spent]
    assert dots == sum(day["average_grade"] is not None for day in trend)
    assert [row.split()[4] for row in table] == [
        str(day["exercises_completed"]) for day in reversed(trend)
    ]
    assert summary == (
        f"Last 30 days: {month['exercises_completed']} exercises, "
        f"{ENGLISH.duration(month['time_spent_seconds'])}, "
        f"average {ENGLISH.grade(month['average_grade'])}"
    )


@pytest.mark.parametrize(
    ("user_id", "span"),
    [(pupils.RICH, "week"), (pupils.LAPSED, "year"), (pupils.RETURNING, "week")],
)
async def test_the_trend_begins_with_the_shortest_span_that_has_practice(
    browser: Browser, site: Site, user_id: str, span: str
) -> None:
    async with look(browser, site.link(user_id)) as looked:
        assert await looked.page.locator(f".span.{span}:visible").count() == 1
        assert await looked.page.locator(".span:visible").count() == 1


async def test_difficulties_are_those_of_the_json_view(browser: Browser, site: Site) -> None:
    split = (await answer(site, pupils.RICH, "/statistics"))["by_difficulty"]
    async with look(browser, site.link(pupils.RICH)) as looked:
        said = await looked.texts(".shares div")
        widths = [
            float(await part.get_attribute("width") or 0)
            for part in await looked.page.locator(".split rect").all()
        ]
    assert said == [
        f"{each['difficulty'].capitalize()} {each['exercises_completed']} "
        f"at {ENGLISH.grade(each['average_grade'])}"
        for each in split
    ]
    assert sum(widths) == pytest.approx(100, abs=0.1)


async def test_levels_and_the_way_on(browser: Browser, site: Site) -> None:
    levels = (await answer(site, pupils.RICH, "/skill-levels"))["skill_levels"]
    async with look(browser, site.link(pupils.RICH)) as looked:
        await looked.page.locator("#skills summary").click()
        cards = await looked.texts(".skill:visible")
    assert len(cards) == len(levels)
    assert "operating-systems" in {level["topic"] for level in levels}
    for level in levels:
        name = {"operating-systems": "How computers work"}.get(level["topic"], level["topic"])
        (card,) = [card for card in cards if card.startswith(f"{name} ")]
        assert f" {level['level'].capitalize()} " in card
        assert f"{level['exercises_completed']} exercise" in card
        assert ENGLISH.grade(level["average_grade"]) in card
        if level["next_level"]:
            assert level["next_level"]["level"] in card
            assert ENGLISH.grade(level["next_level"]["grade_needed"]) in card


async def test_badges_are_those_of_the_json_view(browser: Browser, site: Site) -> None:
    badges = await answer(site, pupils.PAUSED, "/badges")
    achievements = await answer(site, pupils.PAUSED, "/achievements")
    progress = {found["id"]: found["progress"] for found in achievements["achievements"]}
    goals = {found.id: found.goal for found in BOOK.achievements}
    async with look(browser, site.link(pupils.PAUSED)) as looked:
        assert len(await looked.texts("#badges .line:visible")) == 6
        for summary in await looked.page.locator("#badges summary").all():
            await summary.click()
        names = await looked.texts("#badges .line:not(:has(progress)):visible h4")
        still_open = await looked.texts("#badges .line:has(progress):visible")
        bars = looked.page.locator("#badges .line:visible progress")
        values = [await bar.get_attribute("value") for bar in await bars.all()]
    assert names == [badge["name"] for badge in badges["earned"]]
    expected = sorted(badges["available"], key=lambda badge: (-badge["percent"], badge["points"]))
    assert values == [str(badge["percent"]) for badge in expected]
    for text, badge in zip(still_open, expected, strict=True):
        assert text.startswith(f"{badge['name']} {goals[badge['id']]} ")
        assert badge["description"] not in text
        if badge["id"] not in ("deep_roots", "true_expert"):
            assert _current(progress[badge["id"]]["current"], text)


def _current(current: int, text: str) -> bool:
    """Whether the text has this progress, as a number or a time."""
    return any(f"{value} of " in text for value in (f"{current:,}", ENGLISH.duration(current)))


async def test_the_page_offers_its_export(browser: Browser, site: Site) -> None:
    async with look(browser, site.link(pupils.AT_RISK)) as looked:
        async with looked.page.expect_download() as downloading:
            await looked.page.get_by_role("link", name="Download all exercises").click()
        path = await (await downloading.value).path()
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("event_id,")
