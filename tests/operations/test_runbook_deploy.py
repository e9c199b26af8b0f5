"""The runbook's deployment on a server and a broker with nothing in them, every step twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from progress_worker.embedded.broker import Broker
from tests.harness.deploying import CATALOGUE_FILE
from tests.harness.events import completed
from tests.harness.kafka import Kafka
from tests.harness.owned_postgres import PASSWORD, OwnedPostgres
from tests.harness.runbook import TOKENS, commands
from tests.harness.storage import execute
from tests.harness.terminal import Terminal
from tests.harness.worker import Deployment

pytestmark = [pytest.mark.integration, pytest.mark.faults]


async def test_deployment(broker: Broker, tmp_path: Path, topic_prefix: str) -> None:
    with OwnedPostgres("owner") as server:
        server.create_owner()
        execute(server.url(user="owner"), "CREATE DATABASE progress")
        deployment = Deployment(
            Kafka(broker.bootstrap),
            server.database("progress"),
            topic_prefix,
            tmp_path,
            CATALOGUE_FILE,
        )
        owner = server.url("progress", "owner")
        variables = {
            "MIGRATE_DATABASE_URL": owner,
            "VIEW_DATABASE_URL": deployment.database.view_url,
        }
        terminal = Terminal(tmp_path, deployment.environment(**variables, **TOKENS), OWNER=owner)
        steps = [c.text.replace("…", PASSWORD) for c in commands() if c.section == "Deploy"]
        first = steps[: next(n for n, step in enumerate(steps) if step.startswith("docker"))]
        running = {"progress-worker worker", "progress-worker api"}
        assert running < set(first)
        for step in 2 * [step for step in first if step not in running]:
            terminal.run(step)
        async with deployment.worker():
            await deployment.publish(completed("ada"))
            assert await deployment.kafka.read(deployment.unlocked, 1)
