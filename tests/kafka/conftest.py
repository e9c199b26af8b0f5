"""The brokers that have to behave alike, and a deployment on each of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.harness.apache_kafka import Cluster
from tests.harness.deploying import deploy
from tests.harness.worker import Deployment


class Running(NamedTuple):
    """A broker, and whether it takes idempotent producers."""

    bootstrap: str
    idempotent: bool


@pytest.fixture(scope="session", params=["embedded", "apache"])
def running(request: pytest.FixtureRequest) -> Running:
    """Each broker in turn."""
    if request.param == "embedded":
        broker: Broker = request.getfixturevalue("broker")
        return Running(broker.bootstrap, idempotent=False)
    cluster: Cluster = request.getfixturevalue("apache_kafka")
    return Running(cluster.bootstrap, idempotent=True)


def on_broker(name: str) -> pytest.MarkDecorator:
    """For a test of one of the two brokers only: of what the other one does not do."""
    return pytest.mark.parametrize("running", [name], indirect=True)


@pytest.fixture
async def deployment(running: Running, migrated_database: Database, tmp_path: Path) -> Deployment:
    """A deployment of this test alone, without a worker."""
    return await deploy(
        running.bootstrap, migrated_database, tmp_path, idempotent=running.idempotent
    )
