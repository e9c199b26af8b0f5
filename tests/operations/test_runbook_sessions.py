"""What the runbook does to sessions: sees who holds up a worker and ends it, frees the relay."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import psycopg
import pytest

from progress_worker.embedded.broker import Broker
from tests.harness.deploying import deploy
from tests.harness.events import completed
from tests.harness.fleet import Fleet
from tests.harness.owned_postgres import OwnedPostgres
from tests.harness.runbook import command
from tests.harness.storage import fetch
from tests.harness.terminal import Terminal
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.faults]


async def test_sessions_are_seen_and_ended(broker: Broker, tmp_path: Path) -> None:
    with OwnedPostgres("owner") as server:
        server.create_owner()
        database, owner = server.migrated_database(), server.url("progress", "owner")
        deployment = await deploy(broker.bootstrap, database, tmp_path, idempotent=False)
        terminal = Terminal(tmp_path, {}, OWNER=owner)

        async def told(section: str) -> str:
            return await asyncio.to_thread(terminal.run, command(section, "SELECT"))

        async def end(pid: object) -> None:
            ending = f'psql "$OWNER" -c "SELECT pg_terminate_backend({pid})"'
            await asyncio.to_thread(terminal.run, ending)

        async def stored() -> bool:
            return bool(fetch(database.owner_url, "SELECT 1 FROM achievement_unlock"))

        async with Fleet(deployment, 2) as fleet:
            with psycopg.connect(owner, connect_timeout=10) as somebody:
                somebody.execute("LOCK TABLE learner")
                blocker = somebody.info.backend_pid

                async def blocked() -> bool:
                    return f"{{{blocker}}}" in await told("ProgressWorkerNotReady")

                await deployment.publish(completed("ada"))
                await wait_until(blocked, "the page's query names who holds up the worker")
                await end(blocker)
                await wait_until(stored, "the worker goes on by itself")
                somebody.close()
            holders = await told("ProgressNoRelay")
            (leader,) = re.findall(r"^ *(\d+) \| progress-worker ", holders, re.MULTILINE)
            await end(leader)

            async def led_by_another_session() -> bool:
                holders = await told("ProgressNoRelay")
                found = re.findall(r"^ *(\d+) \| progress-worker ", holders, re.MULTILINE)
                return bool(found) and found != [leader]

            await wait_until(led_by_another_session, "a relay leads again")
            assert f" {leader} " not in await told("ProgressNoRelay")
            assert fleet.ends == []
