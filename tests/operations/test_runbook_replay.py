"""The runbook's replay and its restore of a backup, with Kafka's and Postgres's own programs."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from progress_worker.embedded.database import Database
from progress_worker.storage.schema.tables import LEARNER_TABLES
from tests.harness.apache_kafka import Cluster
from tests.harness.deploying import deploy
from tests.harness.fleet import Fleet
from tests.harness.owned_postgres import PASSWORD, OwnedPostgres
from tests.harness.runbook import TOKENS, command
from tests.harness.storage import execute, fetch
from tests.harness.terminal import Terminal
from tests.harness.traffic import Traffic
from tests.harness.worker import Deployment

pytestmark = [pytest.mark.integration, pytest.mark.faults]

REPLAY, RESTORE = "Replay", "Back up and restore"
SOME_TIME = "2026-11-23T04:00:00.000"


@pytest.fixture
async def deployment(
    apache_kafka: Cluster, migrated_database: Database, tmp_path: Path
) -> Deployment:
    """A deployment on Apache Kafka, without a worker."""
    return await deploy(apache_kafka.bootstrap, migrated_database, tmp_path, idempotent=True)


@pytest.fixture
def terminal(deployment: Deployment) -> Terminal:
    """A terminal with Kafka's own tools, which knows that deployment."""
    return open_terminal(deployment)


def open_terminal(deployment: Deployment, **names: str) -> Terminal:
    """The machine's time zone is not UTC."""
    names |= {"KAFKA": deployment.kafka.bootstrap, "TZ": "Asia/Tokyo"}
    return Terminal(deployment.directory, deployment.environment(), kafka=True, **names)


def replay(deployment: Deployment, section: str, way: str, **examples: str) -> str:
    """The section's command, with the deployment's names and other examples than the page's."""
    names = {
        "--group progress-worker": f"--group {deployment.group}",
        "--topic exercise-completed": f"--topic {deployment.completed}",
    }
    return command(section, way, names | examples)


def utc(hours_ago: float = 0) -> str:
    """A time as the tool takes it."""
    time = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours_ago)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


async def committed(deployment: Deployment) -> dict[int, int]:
    return await deployment.kafka.committed(deployment.group, deployment.completed)


async def announced(deployment: Deployment) -> list[tuple[bytes, bytes]]:
    """Key and value of every published unlock, sorted by id."""
    unlocks = fetch(deployment.database.owner_url, "SELECT 1 FROM achievement_unlock")
    found = await deployment.kafka.read(deployment.unlocked, len(unlocks))
    return sorted((record.key, record.value) for record in found)


async def test_a_replay_counts_nothing_twice_and_tells_nobody_twice(
    deployment: Deployment, terminal: Terminal
) -> None:
    traffic = Traffic(deployment, seed=1, count=1_000)
    async with Fleet(deployment, 2):
        await traffic.send(600)
        await traffic.drained()
        moment = utc()
        await traffic.send()
        assert await traffic.differences() == []
        refused = terminal.run(replay(deployment, REPLAY, "--to-earliest"))
        assert "can only be reset if the group" in refused
    told, ends = await announced(deployment), await committed(deployment)

    from_the_moment = replay(deployment, REPLAY, "--to-datetime", **{SOME_TIME: moment})
    assert deployment.completed in terminal.run(from_the_moment)
    assert await committed(deployment) == ends
    terminal.run(from_the_moment.replace("--dry-run", "--execute"))
    assert await committed(deployment) == ends | firsts(traffic.places[600:])
    where = f"--topic {deployment.completed}:"
    terminal.run(
        replay(deployment, REPLAY, "--to-offset", **{f"{where}3": f"{where}2", "1200": "5"})
    )
    assert await committed(deployment) == ends | firsts(traffic.places[600:]) | {2: 5}
    async with Fleet(deployment, 2):
        assert await traffic.differences() == []
    assert await announced(deployment) == told


def firsts(places: list[tuple[int, int]]) -> dict[int, int]:
    """The first offset of each partition."""
    return dict(sorted(places, reverse=True))


async def test_a_replay_brings_back_what_was_lost(
    deployment: Deployment, terminal: Terminal
) -> None:
    traffic = Traffic(deployment, seed=2, count=1_000)
    async with Fleet(deployment, 2):
        await traffic.send()
        assert await traffic.differences() == []
    told = await announced(deployment)
    tables = ", ".join(table.name for table in LEARNER_TABLES)
    execute(deployment.database.owner_url, f"TRUNCATE {tables}")
    terminal.run(replay(deployment, REPLAY, "--to-earliest"))
    async with Fleet(deployment, 2):
        assert await traffic.differences() == []
    assert await announced(deployment) == sorted(2 * told)


async def test_a_backup_is_restored_on_another_server(
    apache_kafka: Cluster, tmp_path: Path
) -> None:
    with OwnedPostgres("owner") as old_server, OwnedPostgres("keeper") as new_server:
        old_server.create_owner()
        new_server.create_owner()
        database, restored = old_server.migrated_database(), new_server.database("restored")
        deployment = await deploy(apache_kafka.bootstrap, database, tmp_path, idempotent=True)
        terminal = open_terminal(
            deployment,
            OWNER=old_server.url("progress", "owner"),
            NEW_SERVER=new_server.url(user="keeper"),
            RESTORED=new_server.url("restored", "keeper"),
        )
        traffic = Traffic(deployment, seed=3, count=1_200)
        async with Fleet(deployment, 2) as fleet:
            await traffic.send(500)
            await traffic.drained()
            await fleet.scale(0)
            await traffic.send(300)  # the backup is of workers that lag behind
            terminal.run(command(RESTORE, "pg_dump"))
            await fleet.scale(2)
            await traffic.send()
            assert await traffic.differences() == []
        old_server.kill()

        terminal.run(command(RESTORE, "CREATE ROLE", {"…": PASSWORD}))
        terminal.run(command(RESTORE, "createdb"))
        terminal.run(command(RESTORE, "pg_restore"))
        deployment.database = restored
        terminal.variables = deployment.environment(VIEW_DATABASE_URL=restored.view_url, **TOKENS)
        terminal.run(command(RESTORE, "progress-worker doctor"))
        terminal.run(replay(deployment, RESTORE, "--to-datetime", **{SOME_TIME: utc(hours_ago=1)}))
        async with Fleet(deployment, 2):
            assert await traffic.differences() == []
