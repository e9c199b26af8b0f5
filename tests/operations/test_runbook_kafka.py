"""What the runbook does with Kafka's own programs, but for its replay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.wire import Wire
from tests.harness.apache_kafka import Cluster
from tests.harness.deploying import deploy
from tests.harness.events import ENVELOPE, completed
from tests.harness.maven import UnavailableError
from tests.harness.runbook import command
from tests.harness.storage import execute, fetch
from tests.harness.terminal import Terminal
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess

pytestmark = [pytest.mark.integration, pytest.mark.faults]


@pytest.fixture
async def deployment(
    apache_kafka: Cluster, migrated_database: Database, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """A deployment on Apache Kafka with a running worker."""
    made = await deploy(apache_kafka.bootstrap, migrated_database, tmp_path, idempotent=True)
    async with made.worker() as made.running:
        yield made


@pytest.fixture
def terminal(deployment: Deployment) -> Terminal:
    """A terminal with Kafka's own tools, which knows that deployment."""
    names = {"KAFKA": deployment.kafka.bootstrap, "OWNER": deployment.database.owner_url}
    try:
        return Terminal(deployment.directory, deployment.environment(), kafka=True, **names)
    except UnavailableError as error:
        pytest.skip(f"Kafka's tools do not run here: {error}")


def test_the_group_is_described(deployment: Deployment, terminal: Terminal) -> None:
    names = {"--group progress-worker": f"--group {deployment.group}"}
    told = terminal.run(command("ProgressNoWorker", "--describe", names))
    assert told.split()[-2:] == ["Stable", "1"]


def test_partitions_are_added(deployment: Deployment, terminal: Terminal) -> None:
    names = {"exercise-completed": deployment.completed}
    terminal.run(command("Scale", "--partitions 12", names))
    terminal.variables["TOPIC_PARTITIONS"] = "12"
    assert "The topics are as wanted." in terminal.run("progress-worker topics check")
