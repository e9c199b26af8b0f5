"""The page, and a browser to look at it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import Browser, async_playwright

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from tests.http.stage import Stage, StageMaker, open_stage
from tests.page.site import Site, add_pupils, open_site

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_START_MILLISECONDS = 60_000


@pytest.fixture
async def stages() -> AsyncIterator[StageMaker]:
    """Makes stages on a given database, with other settings and rules than the usual."""
    async with AsyncExitStack() as stack:

        async def make(database: Database, rules: str = "", **options: object) -> Stage:
            return await stack.enter_async_context(open_stage(database, options, rules))

        yield make


@pytest.fixture
async def stage(migrated_database: Database, stages: StageMaker) -> Stage:
    """A view with the development login, a Monday at noon."""
    return await stages(migrated_database, view_development_login=True)


@pytest.fixture(scope="session")
async def site(postgres: Postgres, migrated_template: str) -> AsyncIterator[Site]:
    """The page of every pupil, behind a real socket; tests leave it as it is."""
    database = postgres.create_database("page", migrated_template)
    await add_pupils(database)
    with open_site(database) as opened:
        yield opened
    postgres.drop_database(database.name)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    if _CHROMIUM is None:
        pytest.skip("there is no chromium to look at the page with")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=_CHROMIUM, args=_OPTIONS, timeout=_START_MILLISECONDS
        )
        yield started
        await started.close()
