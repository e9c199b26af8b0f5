"""The deployments and servers that fault tests break."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.schema.migrate import migrate
from tests.harness.apache_kafka import Cluster, cluster_or_skip
from tests.harness.deploying import deploy
from tests.harness.fair import fair_rule_book
from tests.harness.ledger import Ledger
from tests.harness.worker import Deployment

#: Short limits, so that a fault of seconds counts as long; small batches, so that there are many.
_IMPATIENT = {
    "BATCH_MAX_EVENTS": "100",
    "OUTBOX_BATCH": "50",
    "DATABASE_CONNECT_TIMEOUT_SECONDS": "2",
    "DATABASE_STATEMENT_TIMEOUT_SECONDS": "3",
    "DRAIN_TIMEOUT_SECONDS": "3",
    "KAFKA_REQUEST_TIMEOUT_SECONDS": "5",
    "STALL_TIMEOUT_SECONDS": "30",
}
_TEMPLATE = "faults_template"


class Deploy(Protocol):
    """Names a deployment on a broker and a database, and makes its topics."""

    def __call__(
        self,
        bootstrap: str,
        database: Database,
        *,
        idempotent: bool = False,
        replication: int = 1,
    ) -> Awaitable[Deployment]: ...


@pytest.fixture
def ledger(record_property: Callable[[str, object], None]) -> Ledger:
    """The ledger into which every successful round is entered."""
    return Ledger(record_property)


@pytest.fixture
def impatient(tmp_path: Path) -> Deploy:
    """Deployments with short limits, small batches and a rule book with freezes."""

    async def new(
        bootstrap: str, database: Database, *, idempotent: bool = False, replication: int = 1
    ) -> Deployment:
        deployment = await deploy(
            bootstrap, database, tmp_path, idempotent=idempotent, replication=replication
        )
        deployment.variables |= _IMPATIENT
        deployment.catalogue = tmp_path / "rules.yaml"
        deployment.catalogue.write_text(fair_rule_book(), encoding="utf-8")
        return deployment

    return new


@pytest.fixture(scope="module")
def fragile_postgres() -> Iterator[Postgres]:
    """A Postgres that tests restart and kill."""
    with Postgres() as server:
        server.create_roles()
        migrate(server.create_database(_TEMPLATE).owner_url)
        yield server


@pytest.fixture
def fragile_database(fragile_postgres: Postgres) -> Database:
    """A database of the Postgres that tests restart and kill."""
    return fragile_postgres.create_database(f"test_{uuid4().hex}", _TEMPLATE)


@pytest.fixture(scope="module")
def fragile_kafka() -> Iterator[Cluster]:
    """One node of Apache Kafka that tests restart and kill."""
    yield from cluster_or_skip(1)


@pytest.fixture(scope="module")
def three_brokers() -> Iterator[Cluster]:
    """Three nodes of Apache Kafka, of which tests kill one at a time."""
    yield from cluster_or_skip(3)
