"""Activating a rule book starts the move of learners to it, and its status says how far it is."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from progress_worker.domain.rulebook import read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.errors import FatalError
from progress_worker.storage.database import connect
from progress_worker.storage.write import rulebooks
from progress_worker.walks.activation import Learners, Status, activate, status
from tests.harness.events import completed
from tests.harness.storage import Projection, execute, fetch
from tests.harness.worker import Deployment, run_command
from tests.integration.test_walk import NEWER, Ruled, fill, walk_of

pytestmark = pytest.mark.integration

USERS = [f"learner-{number}" for number in range(6)]


@pytest.fixture
async def ruled(projected: Projection, migrated_database: Database) -> Ruled:
    ruled = Ruled(projected, migrated_database.owner_url)
    await ruled.apply(*map(completed, USERS))
    return ruled


async def make_active(ruled: Ruled, text: str, rate: float | None = None) -> None:
    async with connect(ruled.parts.engine) as connection:
        await activate(connection, read_rule_book(text), text, learners_per_second=rate)
        await connection.commit()


async def status_of(ruled: Ruled) -> Status:
    async with connect(ruled.parts.engine) as connection:
        found = await status(connection)
    assert found is not None
    return found


async def refreshed(ruled: Ruled) -> None:
    """What every worker does within seconds."""
    async with connect(ruled.parts.engine) as connection:
        await rulebooks.refresh(connection, ruled.parts.books)


async def test_the_walk_begins_at_once_and_keeps_the_rate_until_it_has_ended(ruled: Ruled) -> None:
    before = await status_of(ruled)
    assert (before.version, before.moved, before.total, before.walk) == (7, 6, 6, None)
    await make_active(ruled, NEWER, rate=25.0)
    begun = await status_of(ruled)
    assert (begun.version, begun.moved, begun.total, begun.is_done) == (8, 0, 6, False)
    assert begun.learners == {7: Learners(6, 0)}
    # A leader that has not noticed yet goes on with the pass of the former rule book.
    assert (await ruled.walk.step()).learners_per_second == 25
    await refreshed(ruled)
    assert (await ruled.walk.step()).learners_per_second == 25
    ended = await status_of(ruled)
    assert (ended.moved, ended.is_done, ended.learners) == (6, True, {8: Learners(6, 0)})
    assert (await ruled.walk.step()).learners_per_second is None


async def test_the_same_again_changes_the_rate_only(ruled: Ruled) -> None:
    await make_active(ruled, NEWER)
    await refreshed(ruled)
    assert (await walk_of(ruled, 2).step()).examined == 2
    await make_active(ruled, NEWER, rate=7.0)
    going_on = (await status_of(ruled)).walk
    assert going_on is not None
    assert (going_on.examined, going_on.learners_per_second) == (2, 7.0)


async def test_an_older_one_and_a_changed_one_are_refused(ruled: Ruled) -> None:
    await make_active(ruled, NEWER)
    with pytest.raises(FatalError, match="Rule book 6 is older than the active one, 8: give it a"):
        await make_active(ruled, NEWER.replace("version: 8", "version: 6"))
    with pytest.raises(FatalError, match="Rule book 8 was active before with other content"):
        await make_active(ruled, NEWER.replace("points: 5", "points: 6"))
    assert fetch(ruled.url, "SELECT max(version) FROM rule_book") == [(8,)]


async def test_learners_without_old_completions_are_counted(ruled: Ruled) -> None:
    rng = random.Random(3)
    some = rng.sample(USERS, 2)
    execute(
        ruled.url, "UPDATE learner SET completions_kept_from = now() WHERE user_id = ANY(%s)", some
    )
    await make_active(ruled, NEWER)
    assert (await status_of(ruled)).truncated == 2


async def test_a_rule_book_by_its_commands(deployment: Deployment, tmp_path: Path) -> None:
    """A worker moves the learners while the command follows."""
    file = tmp_path / "newer.yaml"
    file.write_text(NEWER, encoding="utf-8")
    variables = deployment.environment()

    async def rules(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(run_command, variables, "rules", *arguments)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    status, said = await rules("status")
    assert (status, said) == (1, "No rule book was ever active: start a worker, or activate one.\n")
    await fill(deployment)
    async with deployment.worker(WALK_LEARNERS_PER_SECOND="5"):
        status, said = await rules("activate", str(file), "--rate", "1000")
        assert status == 0
        assert "Rule book 8 (default) is active since" in said
        assert "20 of 20 learners are complete by it." in said
        assert "The last pass of the walk ended at" in said
    status, said = await rules("status", "--json")
    found = json.loads(said)
    assert (status, found["version"], found["complete"], found["learners"]) == (0, 8, 20, 20)
    assert found["digest"] == read_rule_book(NEWER).digest
    assert found["by_version"] == [{"version": 8, "learners": 20, "truncated": 0}]
    assert found["walk"]["finished_at"]
    file.write_text(NEWER.replace("version: 8", "version: 6"), encoding="utf-8")
    status, said = await rules("activate", str(file), "--no-follow")
    assert status == 1
    assert "Rule book 6 is older than the active one, 8: give it a higher version." in said
