"""Postgres is read-only, like a standby, while events flow; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import LiteralString

import psycopg
import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.schema.migrate import migrate
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.proxied import through
from tests.harness.proxy import Proxy
from tests.harness.standby import Standby
from tests.harness.storage import fetch
from tests.harness.traffic import Traffic

pytestmark = pytest.mark.integration

REFUSED = "ReadOnlySqlTransaction 25006"


@pytest.mark.parametrize("seed", rounds(quick=0, all_in_all=5))
async def test_a_database_that_is_set_to_read_only(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, count=1_500, fair=True)
    rng = random.Random(seed)
    async with Fleet(deployment, 2) as fleet:
        async with traffic.flowing(rate=250):
            for _ in range(2):
                await asyncio.sleep(rng.uniform(0.5, 1.5))
                async with read_only(migrated_database):
                    await fleet.says(REFUSED)
                    await asyncio.sleep(rng.uniform(0, 1))
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    ledger.add("Postgres set to read-only", traffic, 2)


@asynccontextmanager
async def read_only(database: Database) -> AsyncIterator[None]:
    """Sessions that begin inside `with` are read-only, and existing sessions are ended."""
    alter: LiteralString = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I "
    rest: LiteralString = " default_transaction_read_only{}', current_database()); END $$"
    with psycopg.connect(database.owner_url, autocommit=True, connect_timeout=10) as owner:
        owner.execute(alter + "SET" + rest.format(" = on"))
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'progress_worker'"
        )
        yield
        owner.execute(alter + "RESET" + rest.format(""))


@pytest.fixture
def primary() -> Iterator[Postgres]:
    """A Postgres that is replaced by its standby."""
    with Postgres() as server:
        server.create_roles()
        yield server


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=4))
async def test_a_failover_to_a_synchronous_standby(
    impatient: Deploy, broker: Broker, primary: Postgres, ledger: Ledger, seed: int
) -> None:
    """Workers reach the standby before it is promoted, as with a DNS name that moves too early."""
    name = primary.create_database("progress").name
    migrate(primary.url(name))
    rng = random.Random(seed)
    with Standby(primary) as standby:
        await standby.followed()
        async with Proxy(primary.port) as proxy:
            database = through(standby.database(name), proxy.port)
            deployment = await impatient(broker.bootstrap, database)
            traffic = Traffic(deployment, seed, count=1_500, fair=True)
            async with Fleet(deployment, 2) as fleet:
                async with traffic.flowing(rate=250):
                    await asyncio.sleep(rng.uniform(1, 3))
                    proxy.cut()
                    await asyncio.to_thread(primary.kill)
                    proxy.target_port = standby.port
                    proxy.restore()
                    await fleet.says(REFUSED)
                    await asyncio.to_thread(standby.promote)
                assert await traffic.differences() == []
                assert fleet.ends == [], fleet.last_words
        assert fetch(standby.url(), "SELECT pg_is_in_recovery()") == [(False,)]
    ledger.add("Postgres failed over to a standby", traffic, 1)
