"""The page of another learner, for a reader who may see every learner's."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser

from tests.page import pupils
from tests.page.looking import look
from tests.page.site import BOOK, Site

pytestmark = pytest.mark.integration

_ISOLATES = str.maketrans("", "", "\u2068\u2069")
_SPOKEN_TO = re.compile(r"\b(?:you|your|yours|yourself)\b", re.IGNORECASE)


async def seen(browser: Browser, site: Site, user_id: str) -> tuple[str, list[str], str]:
    """The page's title, its first sentences, and everything on it."""
    token = site.token("teacher", scope="progress:read:any")
    async with look(browser, f"{site.url}/login?token={token}") as looked:
        await looked.page.goto(f"{site.url}/?user_id={user_id}")
        await looked.open_details()
        assert await looked.violations() == []
        sentences = await looked.texts("#streak > p:not(.big, .quiet), .step, .welcome p")
        everything = await looked.page.locator("html").inner_text()
        return await looked.page.title(), sentences, everything


@pytest.mark.parametrize(
    ("user_id", "sentences"),
    [
        (
            pupils.RICH,
            [
                "marie.curie has practised 6 days in a row, today included.",
                "An exercise tomorrow makes it 7 days in a row.",
            ],
        ),
        (
            pupils.AT_RISK,
            [
                "grace has practised 4 days in a row, but not yet today.",
                "An exercise today keeps the 4 days in a row.",
            ],
        ),
        (
            pupils.PAUSED,
            [
                "dorothy last practised on 18 October 2026.",
                "The next exercise begins a new streak.",
            ],
        ),
        (
            pupils.NEW,
            [
                "nobody-yet has not finished an exercise yet.",
                "Every topic begins at beginner. 10 exercises with an average grade of 60% or "
                "more lead to intermediate.",
            ],
        ),
    ],
)
async def test_it_says_whose_page_it_is_and_speaks_about_that_learner(
    browser: Browser, site: Site, user_id: str, sentences: list[str]
) -> None:
    title, said, everything = await seen(browser, site, user_id)
    assert title.translate(_ISOLATES) == f"Progress of {user_id}"
    assert [sentence.translate(_ISOLATES) for sentence in said] == sentences
    for achievement in BOOK.achievements:
        everything = everything.replace(achievement.name, "")
    assert not _SPOKEN_TO.findall(everything)


async def test_its_links_lead_to_the_same_learner(browser: Browser, site: Site) -> None:
    token = site.token("teacher", scope="progress:read:any")
    async with look(browser, f"{site.url}/login?token={token}") as looked:
        await looked.page.goto(f"{site.url}/?user_id={pupils.RICH}")
        export = await looked.page.locator("footer a").get_attribute("href")
        events = await looked.page.locator("main").get_attribute("data-events")
    assert export == f"/export?format=csv&user_id={pupils.RICH}"
    assert events is not None
    assert events.startswith("/events?last_event_id=")
    assert events.endswith(f"&user_id={pupils.RICH}")
