"""The runbook's address with two servers: clients find the one that accepts writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import VIEW_ROLE, WORKER_ROLE
from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.schema.migrate import migrate
from tests.harness.deploying import deploy
from tests.harness.fleet import Fleet
from tests.harness.runbook import TOKENS, command
from tests.harness.standby import Standby
from tests.harness.terminal import Terminal
from tests.harness.traffic import Traffic
from tests.harness.view import ViewProcess
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.faults]


async def test_workers_and_views_find_the_new_primary(broker: Broker, tmp_path: Path) -> None:
    with Postgres() as primary, Standby(primary) as standby:
        primary.create_roles()
        name = primary.create_database("progress").name
        migrate(primary.url(name))
        await standby.followed()
        # The standby comes first, so that the primary is not found by luck.
        ports = f"{standby.port},{primary.port}"
        examples = {"one,two": "127.0.0.1,127.0.0.1", "5432,5432": ports, "…": "not-asked-for"}
        line = command("Fail over", "target_session_attrs", examples)
        address = line.split('"')[1]
        deployment = await deploy(
            broker.bootstrap, standby.database(name), tmp_path, idempotent=False
        )
        terminal = Terminal(tmp_path, deployment.environment())
        assert f":{primary.port}." in terminal.run(f"{line} progress-worker doctor")
        deployment.variables |= {
            "DATABASE_URL": address,
            "DATABASE_CONNECT_TIMEOUT_SECONDS": "2",
            "DATABASE_STATEMENT_TIMEOUT_SECONDS": "3",
        }
        viewing = TOKENS | {"VIEW_DATABASE_URL": address.replace(WORKER_ROLE, VIEW_ROLE)}
        traffic = Traffic(deployment, seed=1, count=1_000)
        async with Fleet(deployment, 2) as fleet, ViewProcess(viewing, tmp_path) as view:
            async with traffic.flowing(rate=150):
                await asyncio.sleep(2)
                await asyncio.to_thread(primary.kill)
                await asyncio.to_thread(standby.promote)
            assert await traffic.differences() == []
            await wait_until(view.ready, "the view reads from the new primary")
            assert fleet.ends == [], fleet.last_words
        assert f":{standby.port}." in terminal.run(f"{line} progress-worker doctor")
