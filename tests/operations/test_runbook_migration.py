"""Workers are replaced one by one, from the release before to this one and back, under load."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import LiteralString

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.storage.schema.revisions import head_revision
from tests.harness.deploying import deploy
from tests.harness.older_release import UnknownHistoryError, older_release
from tests.harness.storage import fetch
from tests.harness.traffic import Traffic
from tests.harness.waiting import LIMIT_SECONDS, wait_until
from tests.harness.worker import COMMAND, WorkerProcess, environment

INCOMPLETE: LiteralString = (
    "SELECT count(*) FROM learner WHERE rule_book_at IS DISTINCT FROM version"
)

pytestmark = [pytest.mark.integration, pytest.mark.faults]


@pytest.mark.parametrize("before", ["0004", head_revision()])
async def test_workers_of_two_releases_side_by_side(
    broker: Broker, database: Database, tmp_path: Path, before: str
) -> None:
    """At the end the walk derives the learners again that the older release saved last."""
    try:
        older = older_release(tmp_path / "older", before)
    except UnknownHistoryError as error:
        pytest.skip(f"the release before cannot be had: {error}")
    url = database.owner_url
    assert await migrated(older, url) < head_revision()
    deployment = await deploy(broker.bootstrap, database, tmp_path, idempotent=False)
    # Both releases can read the rule book of the older one.
    (deployment.catalogue,) = (tmp_path / "older" / "progress_worker" / "domain").glob("*.yaml")
    # More than can be sent meanwhile, however slow the machine is.
    traffic = Traffic(deployment, seed=1, count=20_000)
    async with AsyncExitStack() as stack:

        async def start(release: Sequence[str]) -> WorkerProcess:
            return await stack.enter_async_context(deployment.worker([*release, "worker"]))

        async def replace_all() -> list[WorkerProcess]:
            workers = [await start(older), await start(older)]
            assert await migrated(COMMAND, url) == head_revision()
            for release in (COMMAND, COMMAND, older, older):
                workers.append(await start(release))
                assert await workers.pop(0).terminate() == 0
            return workers

        replacing = asyncio.create_task(replace_all())
        while not replacing.done():
            await traffic.send(25, rate=50)
        workers = await replacing
        for worker in workers:
            assert await worker.terminate() == 0
        assert fetch(url, INCOMPLETE) != [(0,)]
        await start(COMMAND)
        await wait_until(partial(all_complete, url), "the walk has derived everybody")
        differences = await traffic.differences()
        if before == "0004":
            # That release stores no offset with a completion. If one were lost, sums would differ
            # too.
            differences = [text for text in differences if not text.startswith("completion ")]
        assert differences == []


async def all_complete(url: str) -> bool:
    return fetch(url, INCOMPLETE) == [(0,)]


async def migrated(release: Sequence[str], url: str) -> str:
    """The revision after a release's `migrate`."""
    command, variables = [*release, "migrate"], environment({"MIGRATE_DATABASE_URL": url})
    await asyncio.to_thread(
        subprocess.run, command, env=variables, timeout=LIMIT_SECONDS, check=True
    )
    ((revision,),) = fetch(url, "SELECT version_num FROM alembic_version")
    return str(revision)
