"""A learner's page in a browser of its own, and everything that the browser complains about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

Scheme = Literal["light", "dark"]

_TIMEOUT_MILLISECONDS = 20_000
_HEIGHT = 740

#: Asks for every element that reaches beyond the window, unless it scrolls inside another.
_OVERFLOWING = """
[...document.querySelectorAll('body *')]
    .filter(element => !element.closest('.scroll'))
    .filter(element => {
        const { left, right } = element.getBoundingClientRect();
        return left < -1 || right > innerWidth + 1;
    })
    .map(element => element.outerHTML.slice(0, 120))
"""
_CONTRAST = "color-contrast"
#: Of axe's other rules, some that apply to every page; without them it would have looked at
#: nothing.
_RULES = {"document-title", "heading-order", "landmark-one-main", "region"}


@dataclass(slots=True)
class Looked:
    """An open page, its status, and what went wrong in the browser."""

    page: Page
    status: int
    complaints: list[str] = field(default_factory=list)

    async def overflowing(self) -> list[str]:
        """What makes the page scroll sideways."""
        wide: list[str] = await self.page.evaluate(_OVERFLOWING)
        return wide

    async def violations(self, *, contrast: bool = True) -> list[str]:
        """What axe finds.

        The contrast takes half the time. A test that opens the details leaves it out before: what
        is shown then stays, or comes again in the whole list of its kind.
        """
        options = {"resultTypes": ["violations"], "rules": {_CONTRAST: {"enabled": contrast}}}
        found = await Axe().run(self.page, options=options)
        passes = {passed["id"] for passed in found.response["passes"]}
        assert passes >= _RULES
        assert (_CONTRAST in passes) == contrast
        return [
            f"{violation['id']}: {[node['html'] for node in violation['nodes']]}"
            for violation in found.response["violations"]
        ]

    async def height(self) -> int:
        """How long the page is, in pixels."""
        height: int = await self.page.evaluate("document.documentElement.scrollHeight")
        return height

    async def open_details(self) -> None:
        """Ask for everything."""
        for summary in await self.page.locator("summary:visible").all():
            await summary.click()

    async def texts(self, selector: str) -> list[str]:
        """What these elements say, on one line each."""
        return [
            " ".join(text.split()) for text in await self.page.locator(selector).all_inner_texts()
        ]


@asynccontextmanager
async def look(
    browser: Browser,
    address: str,
    *,
    width: int = 1440,
    scheme: Scheme = "light",
    scripts: bool = True,
    language: str = "en-GB",
) -> AsyncIterator[Looked]:
    """Open an address. The browser asks for pages in this language."""
    context = await browser.new_context(
        viewport={"width": width, "height": _HEIGHT},
        color_scheme=scheme,
        java_script_enabled=scripts,
        locale=language,
    )
    context.set_default_timeout(_TIMEOUT_MILLISECONDS)
    page = await context.new_page()
    complaints: list[str] = []

    def complain(text: str, url: str) -> None:
        # A view without events is no reason to complain: the page stays as it is. An open stream
        # fails when the page is left.
        if urlsplit(url).path != "/events":
            complaints.append(text)

    page.on("console", lambda said: complain(f"{said.type}: {said.text}", said.location["url"]))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda failed: complain(f"failed: {failed.url}", failed.url))
    answer = await page.goto(address)
    assert answer is not None
    yield Looked(page, answer.status, complaints)
    await context.close()
