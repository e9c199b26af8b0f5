"""The page's words for the learner's own days, and when there is little or nothing to show."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.http.stage import Stage

pytestmark = pytest.mark.integration


async def look(stage: Stage) -> httpx.Response:
    """The learner's page."""
    return await stage.client.get("/", headers={"Authorization": f"Bearer {stage.token()}"})


@pytest.mark.parametrize(
    ("zone", "now", "day"),
    [
        ("Pacific/Kiritimati", "2026-11-23T11:00:00Z", "Tuesday, 24 November 2026"),
        ("Pacific/Pago_Pago", "2026-11-23T10:00:00Z", "Sunday, 22 November 2026"),
        ("Pacific/Pago_Pago", "2026-03-01T05:00:00Z", "Saturday, 28 February 2026"),
        ("Pacific/Kiritimati", "2027-12-31T10:00:00Z", "Saturday, 1 January 2028"),
    ],
)
async def test_days_are_the_learners_own(stage: Stage, zone: str, now: str, day: str) -> None:
    stage.clock.set(now)
    await stage.complete(now, timezone=zone)
    page = await look(stage)
    assert f">{day}</time>" in page.text
    assert f"{day}:\n1 exercise, " in page.text
    assert page.text.count(":\n1 exercise, ") == 1
    assert f"midnight in {zone}" in page.text
    assert f">{day.partition(', ')[2]}</time></p>" in page.text, "a badge's day"


async def test_the_calendar_begins_eleven_months_back(stage: Stage) -> None:
    stage.clock.set("2028-02-29T12:00:00Z")
    for day in ("2027-02-28", "2027-03-01", "2028-02-29"):
        await stage.complete(f"{day}T10:00:00Z")
    page = await look(stage)
    assert "Monday, 1 March 2027:\n1 exercise" in page.text
    assert "Tuesday, 29 February 2028:\n1 exercise" in page.text
    assert "28 February 2027:" not in page.text
    assert page.text.count('name="day"') == 366


@pytest.mark.parametrize(
    ("counts", "legend"),
    [
        ([1], [(4, "1 or more")]),
        ([2, 2, 2], [(4, "2 or more")]),
        ([1, 1, 3, 3], [(3, "1 or 2"), (4, "3 or more")]),
        ([1, 2, 4, 8], [(1, "1"), (2, "2 or 3"), (3, "4 to 7"), (4, "8 or more")]),
        (
            [10, 20, 40, 80, 81],
            [(1, "10 to 19"), (2, "20 to 39"), (3, "40 to 79"), (4, "80 or more")],
        ),
    ],
)
async def test_shades_follow_the_learners_own_habits(
    stage: Stage, counts: list[int], legend: list[tuple[int, str]]
) -> None:
    for day, count in enumerate(counts):
        for _ in range(count):
            await stage.complete(f"2026-11-{10 + day}T10:00:00Z")
    page = await look(stage)
    shades = re.findall(r'<span><i class="s([1-4])"></i> ([^<]+)</span>', page.text)
    assert shades == [(str(shade), text) for shade, text in legend]
    for day, count in enumerate(counts):
        square = re.search(
            rf'class="s([0-4])" aria-label="[A-Za-z]+, {10 + day} November', page.text
        )
        assert square is not None
        text = dict(shades)[square[1]]
        assert int(text.split()[0]) <= count
    assert 'class="s0" aria-label="Sunday, 1 November' in page.text


async def test_what_was_all_taken_back_is_a_fresh_page_with_its_badges(stage: Stage) -> None:
    event = await stage.complete("2026-11-23T10:00:00Z")
    await stage.complete("2026-11-23T10:00:00Z", event_id=event, revision=1, revoked=True)
    page = await look(stage)
    assert page.status_code == 200
    assert "There is no day of practice yet." in page.text
    assert "show up with the next exercise" in page.text
    assert "1 of 4 earned" in page.text


async def test_a_badge_without_a_goal_shows_what_it_is_for(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    page = await look(stage)
    assert "Two hard ones." in page.text


async def test_when_every_badge_is_earned(stage: Stage) -> None:
    for number, topic in enumerate("abcd"):
        day = f"2026-11-{20 + number}T08:00:00Z"
        await stage.complete(day, topic=topic, difficulty="hard")
    page = await look(stage)
    assert "You have earned every badge." in page.text
