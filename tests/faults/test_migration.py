"""A later release migrates the database while workers run; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness import newer_release
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.storage import fetch
from tests.harness.traffic import Traffic
from tests.harness.waiting import LIMIT_SECONDS, wait_until
from tests.harness.worker import environment, run_command

pytestmark = pytest.mark.integration

STALE_PLAN = "FeatureNotSupported 0A000"
#: A session prepares a statement that it runs for the sixth time, and a worker has six sessions.
BATCHES = 40
#: A statement's limit and a batch's are the same.
LOCKED = ("LockNotAvailable 55P03", "QueryCanceled 57014", "Postgres did not answer in time")


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=4))
async def test_a_migration_under_running_workers(
    impatient: Deploy,
    broker: Broker,
    migrated_database: Database,
    tmp_path: Path,
    ledger: Ledger,
    seed: int,
) -> None:
    """Two migrations run at once; then a worker and a migration of this older release start."""
    scripts = tmp_path / "migrations"
    newest = newer_release.write_migrations(scripts)
    deployment = await impatient(broker.bootstrap, migrated_database)
    # More than can be sent while the migrations run, however slow the machine is.
    traffic = Traffic(deployment, seed, count=20_000)
    rng = random.Random(seed)
    url = migrated_database.owner_url
    owner = {"MIGRATE_DATABASE_URL": url}
    async with Fleet(deployment, 2) as fleet:
        await traffic.send(rng.randint(200, 500), rate=200)
        async with asyncio.timeout(LIMIT_SECONDS):
            while min(await batches(fleet)) < BATCHES:
                await traffic.send(25, rate=200)
        later = [asyncio.to_thread(migrate_later, scripts, owner) for _ in range(2)]
        migrating = asyncio.gather(*later)
        while not migrating.done():
            await traffic.send(50, rate=150)
        for done in await migrating:
            assert (done.returncode, done.stderr) == (0, "")
        assert fetch(url, "SELECT version_num FROM alembic_version") == [(newest,)]
        assert fleet.times_said(STALE_PLAN)
        assert any(fleet.times_said(text) for text in LOCKED)
        older = asyncio.create_task(asyncio.to_thread(run_command, owner, "migrate"))
        await fleet.scale(3)
        await wait_until(fleet.ready, "a worker starts on a database of a later release")
        assert ((await older).returncode, (await older).stderr) == (0, "")
        await traffic.send(200)
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    ledger.add("migrated by a later release", traffic, len(newer_release.UPGRADES))


async def batches(fleet: Fleet) -> list[float]:
    """How many batches each worker has saved."""
    return [
        await worker.metric("progress_batch_seconds_count", step="save") for worker in fleet.workers
    ]


def migrate_later(scripts: Path, owner: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, newer_release.__file__, str(scripts)],
        env=environment(owner),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
