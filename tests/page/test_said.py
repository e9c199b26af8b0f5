"""The page's words for the learner's own days, and when there is little or nothing to show."""

from __future__ import annotations

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
    assert f"{day}: 1 exercise</title>" in page.text
    assert page.text.count("1 exercise</title>") == 1
    assert f"midnight in {zone}" in page.text
    assert f">{day.partition(', ')[2]}</time></p>" in page.text, "a badge's day"


async def test_the_calendar_begins_eleven_months_back(stage: Stage) -> None:
    stage.clock.set("2028-02-29T12:00:00Z")
    for day in ("2027-02-28", "2027-03-01", "2028-02-29"):
        await stage.complete(f"{day}T10:00:00Z")
    page = await look(stage)
    assert "Monday, 1 March 2027: 1 exercise</title>" in page.text
    assert "Tuesday, 29 February 2028: 1 exercise</title>" in page.text
    assert "28 February 2027: " not in page.text
    assert page.text.count(' role="img"') == 13
    assert page.text.count("</title></rect>") == 366


async def test_what_was_all_taken_back_is_a_fresh_page_with_its_badges(stage: Stage) -> None:
    event = await stage.complete("2026-11-23T10:00:00Z")
    await stage.complete("2026-11-23T10:00:00Z", event_id=event, revision=1, revoked=True)
    page = await look(stage)
    assert page.status_code == 200
    assert "The next exercise begins a new streak." in page.text
    assert "show up with your next exercise" in page.text
    assert "1 <small>of 4</small>" in page.text


async def test_when_every_badge_is_earned(stage: Stage) -> None:
    for number, topic in enumerate("abcd"):
        day = f"2026-11-{20 + number}T08:00:00Z"
        await stage.complete(day, topic=topic, difficulty="hard")
    page = await look(stage)
    assert "Every badge there is, is yours." in page.text
