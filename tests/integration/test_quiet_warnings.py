"""Nobody who does not want to be disturbed is warned of a streak at risk, and it can be undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from progress_worker.storage.write.expiries import NO_EXPIRY
from tests.harness.events import CATALOGUE, preferences, records
from tests.harness.storage import fetch, projection
from tests.harness.worker import Deployment
from tests.integration.test_streak_warnings import HOURS, MARKS, Watched, active, at
from tests.integration.test_walk import Ruled

pytestmark = pytest.mark.integration

DUE, ENDS = "2026-03-11T09:00Z", at("2026-03-11T23:00Z")


class Choosing(Watched):
    """The same with preferences."""

    async def choose(self, revision: int, gamification: str, user_id: str = "ada") -> None:
        wire = preferences(user_id, revision, gamification=gamification)
        await self.parts.commands.handle(records(wire)[0])


@pytest.fixture
async def choosing(deployment: Deployment) -> AsyncIterator[Choosing]:
    settings = deployment.settings(STREAK_AT_RISK_HOURS=str(HOURS))
    async with projection(settings) as parts:
        yield Choosing(deployment, settings, parts)


@pytest.mark.parametrize("gamification", ["quiet", "off"])
@pytest.mark.parametrize("chosen_first", [True, False])
async def test_no_warning_until_the_learner_wants_them_again(
    choosing: Choosing, gamification: str, chosen_first: bool
) -> None:
    if chosen_first:
        await choosing.choose(1, gamification)
        assert choosing.expiry() == NO_EXPIRY
    await choosing.apply(active("ada", "2026-03-10T08:00Z"), active("bob", "2026-03-10T08:00Z"))
    if not chosen_first:
        assert choosing.expiry() == ENDS
        await choosing.choose(1, gamification)
    assert choosing.expiry() == NO_EXPIRY
    assert [found["user_id"] for found in await choosing.warn_at(DUE)] == ["bob"]
    # A cached learner and one who is loaded again.
    choosing.parts.cache.clear()
    await choosing.apply(active("ada", "2026-03-10T09:00Z"))
    assert choosing.expiry() == NO_EXPIRY
    await choosing.choose(2, "on")
    assert choosing.expiry() == ENDS
    assert [found["user_id"] for found in await choosing.warn_at(DUE)] == ["ada"]


async def test_to_and_fro_on_one_day_gives_one_warning(choosing: Choosing) -> None:
    await choosing.apply(active("ada", "2026-03-10T08:00Z"))
    assert len(await choosing.warn_at(DUE)) == 1
    await choosing.choose(1, "off")
    await choosing.choose(2, "on")
    assert await choosing.warn_at("2026-03-11T10:00Z") == []
    await choosing.apply(active("ada", "2026-03-11T10:00Z"))
    assert len(await choosing.warn_at("2026-03-12T09:00Z")) == 1


async def test_a_walk_and_a_recalculation_leave_it_quiet(choosing: Choosing) -> None:
    await choosing.apply(active("ada", "2026-03-10T08:00Z"))
    await choosing.choose(1, "quiet")
    await choosing.parts.recalculation.recalculate("ada")
    assert choosing.expiry() == NO_EXPIRY
    walked = Ruled(choosing.parts, choosing.url)
    await walked.activate(CATALOGUE.replace("version: 7", "version: 8"))
    await walked.walk_on()
    assert choosing.expiry() == NO_EXPIRY
    assert await choosing.warn_at(DUE) == []


async def test_a_worker_without_warnings_is_told_and_nobody_is_warned(choosing: Choosing) -> None:
    """It writes no expiries, so the one that is due is looked at again under its lock."""
    await choosing.apply(active("ada", "2026-03-10T08:00Z"))
    async with projection(choosing.deployment.settings()) as parts:
        wire = preferences("ada", gamification="off")
        await parts.commands.handle(records(wire)[0])
    assert choosing.expiry() == ENDS
    assert await choosing.warn_at(DUE) == []
    assert fetch(choosing.url, MARKS) == [("ada", NO_EXPIRY, None, None)]


async def test_preferences_that_are_committed_while_the_warning_waits(choosing: Choosing) -> None:
    await choosing.apply(active("ada", "2026-03-10T08:00Z"))
    choosing.now = at(DUE)
    async with await psycopg.AsyncConnection.connect(choosing.url, connect_timeout=10) as other:
        # The command holds the learner and the expiry by then, and waits for this table.
        await other.execute("LOCK TABLE learner_preference IN SHARE MODE")
        setting = asyncio.create_task(choosing.choose(1, "quiet"))
        await choosing.waiting(1)
        warning = asyncio.create_task(choosing.warner().warn())
        await choosing.waiting(2)
    await setting
    assert (await warning).warned == 0
    assert choosing.warnings() == []


async def test_preferences_wait_for_a_warning_that_was_decided(choosing: Choosing) -> None:
    await choosing.apply(active("ada", "2026-03-10T08:00Z"))
    choosing.now = at(DUE)
    with choosing.gate():
        warning = asyncio.create_task(choosing.warner().warn())
        await choosing.waiting(1)
        setting = asyncio.create_task(choosing.choose(1, "quiet"))
        await choosing.waiting(2)
    assert (await warning).warned == 1
    await setting
    assert choosing.expiry() == NO_EXPIRY
    assert await choosing.warn_at("2026-03-11T10:00Z") == []
