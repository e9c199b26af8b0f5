"""Postgres's disk is full while events flow; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.guard import Guard
from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.schema.migrate import migrate
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.small_disk import CannotMountError, SmallDisk
from tests.harness.storage import execute
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Cramped:
    """A Postgres, and a small disk that it uses."""

    postgres: Postgres
    disk: SmallDisk


@contextlib.contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[SmallDisk]:
    disk = SmallDisk(directory, megabytes)
    try:
        disk.mount()
    except CannotMountError as error:
        pytest.skip(f"no disk can be filled here: {error}")
    try:
        yield disk
    finally:
        disk.unmount()


@pytest.fixture(scope="module")
def cramped_tables(fragile_postgres: Postgres) -> Iterator[Cramped]:
    """The tables of databases in the tablespace `small` are on the small disk."""
    owner = (fragile_postgres.guard.directory / "data").stat()
    directory = fragile_postgres.guard.directory / "small"
    directory.mkdir()
    shutil.chown(directory, owner.st_uid, owner.st_gid)
    with small_disk(directory, megabytes=24) as disk:
        with psycopg.connect(fragile_postgres.url(), autocommit=True) as connection:
            create = sql.SQL("CREATE TABLESPACE small LOCATION {}")
            connection.execute(create.format(str(directory)))
        yield Cramped(fragile_postgres, disk)


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_no_room_for_tables(
    impatient: Deploy,
    broker: Broker,
    cramped_tables: Cramped,
    fragile_database: Database,
    ledger: Ledger,
    seed: int,
) -> None:
    """Postgres stays up and refuses what needs another page."""
    move = sql.SQL("ALTER DATABASE {} SET TABLESPACE small")
    with psycopg.connect(cramped_tables.postgres.url(), autocommit=True) as connection:
        connection.execute(move.format(sql.Identifier(fragile_database.name)))
    deployment = await impatient(broker.bootstrap, fragile_database)
    traffic = Traffic(deployment, seed, count=1_500, fair=True)
    rng = random.Random(seed)
    async with Fleet(deployment, 2) as fleet:
        async with traffic.flowing(rate=250):
            for _ in range(2):
                await asyncio.sleep(rng.uniform(0.3, 1))
                with cramped_tables.disk.full():
                    await fleet.says("DiskFull 53100")
                    await asyncio.sleep(rng.uniform(0, 1.5))
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    cramped_tables.postgres.drop_database(fragile_database.name)
    ledger.add("disk full: no room for tables", traffic, 2)


@pytest.fixture(scope="module")
def cramped_server() -> Iterator[Cramped]:
    """Everything that Postgres writes is on the small disk, the WAL too."""
    with contextlib.closing(Guard()) as guard:
        data = guard.directory / "data"
        data.mkdir()
        with small_disk(data, megabytes=160) as disk:
            postgres = Postgres(guard)
            postgres.start()
            postgres.create_roles()
            yield Cramped(postgres, disk)


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_no_room_for_the_log_of_transactions(
    impatient: Deploy, broker: Broker, cramped_server: Cramped, ledger: Ledger, seed: int
) -> None:
    """Postgres ends itself; somebody makes room, and starts it again."""
    postgres, disk = cramped_server.postgres, cramped_server.disk
    database = postgres.create_database(f"progress_{seed}")
    migrate(database.owner_url)
    deployment = await impatient(broker.bootstrap, database)
    traffic = Traffic(deployment, seed, count=1_500, fair=True)
    rng = random.Random(seed)
    async with Fleet(deployment, 2) as fleet:
        async with traffic.flowing(rate=250):
            await asyncio.sleep(rng.uniform(0.5, 2))
            panics = postgres.log.read_text().count("PANIC")

            async def panicked() -> bool:
                await asyncio.to_thread(use_up_segment, postgres)
                return postgres.log.read_text().count("PANIC") > panics

            with disk.full():
                await wait_until(panicked, "Postgres has ended itself")
                await asyncio.sleep(rng.uniform(0.5, 2))
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    postgres.drop_database(database.name)
    ledger.add("disk full: no room for WAL, Postgres down", traffic, 1)


def use_up_segment(postgres: Postgres) -> None:
    """Make the next record need another file of the WAL, an existing one or one too many."""
    with contextlib.suppress(psycopg.OperationalError):
        execute(postgres.url(), "SELECT pg_logical_emit_message(false, 'test', 'one record')")
        execute(postgres.url(), "SELECT pg_switch_wal()")
