"""Postgres goes away, hangs and comes back while events flow; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.proxied import through
from tests.harness.proxy import Proxy
from tests.harness.storage import execute
from tests.harness.traffic import Traffic

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_restarts_crashes_and_ended_sessions(
    impatient: Deploy,
    broker: Broker,
    fragile_postgres: Postgres,
    fragile_database: Database,
    ledger: Ledger,
    seed: int,
) -> None:
    deployment = await impatient(broker.bootstrap, fragile_database)
    traffic = Traffic(deployment, seed, fair=True)
    rng = random.Random(seed)
    faults = [*[end_sessions] * 3, restart, crash]
    rng.shuffle(faults)
    async with Fleet(deployment, 2) as fleet:
        async with traffic.flowing(rate=250):
            for fault in faults:
                await asyncio.sleep(rng.uniform(0.5, 2))
                await asyncio.to_thread(fault, fragile_postgres)
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    ledger.add("Postgres restarted, killed, sessions ended", traffic, len(faults))


def restart(postgres: Postgres) -> None:
    postgres.restart()


def crash(postgres: Postgres) -> None:
    postgres.kill()
    postgres.start()


def end_sessions(postgres: Postgres) -> None:
    execute(
        postgres.url(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'progress_worker'",
    )


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_a_bad_connection(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    port = int(migrated_database.worker_url.rpartition(":")[2].partition("/")[0])
    async with Proxy(port) as proxy:
        deployment = await impatient(broker.bootstrap, through(migrated_database, proxy.port))
        traffic = Traffic(deployment, seed, fair=True)
        rng = random.Random(seed)
        faults: list[tuple[Callable[[], None], float]] = [
            (proxy.cut, 0),
            (proxy.cut, 2),
            (proxy.stall, 1),
            (proxy.stall, 6),
            (lambda: proxy.slow(0.1), 4),
        ]
        rng.shuffle(faults)
        async with Fleet(deployment, 2) as fleet:
            async with traffic.flowing(rate=250):
                for fault, seconds in faults:
                    await asyncio.sleep(rng.uniform(0.3, 1))
                    fault()
                    await asyncio.sleep(seconds)
                    proxy.restore()
            assert await traffic.differences() == []
            assert fleet.ends == [], fleet.last_words
        ledger.add("connection to Postgres cut, stalled, slowed", traffic, len(faults))
