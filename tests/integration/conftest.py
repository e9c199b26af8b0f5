"""Deployments: topics, a group and a database that workers of a test share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from tests.harness.events import CATALOGUE
from tests.harness.kafka import Kafka
from tests.harness.storage import Projection, projection
from tests.harness.telling import FAIR, Fair
from tests.harness.worker import Deployment
from tests.http.stage import Stage, open_stage

Deploy = Callable[[Database], Deployment]
Project = Callable[[Database], AbstractAsyncContextManager[Projection]]


@pytest.fixture(scope="session")
def kafka(broker: Broker) -> Kafka:
    """The embedded broker."""
    return Kafka(broker.bootstrap)


@pytest.fixture(scope="session")
def catalogue_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small catalogue."""
    path = tmp_path_factory.mktemp("catalogue") / "achievements.yaml"
    path.write_text(CATALOGUE)
    return path


@pytest.fixture(scope="session")
def deploy(kafka: Kafka, catalogue_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Deploy:
    """Names a deployment on a database; does not make its topics."""

    def new(database: Database) -> Deployment:
        prefix = f"t{uuid4().hex[:10]}-"
        directory = tmp_path_factory.mktemp("workers")
        return Deployment(kafka, database, prefix, directory, catalogue_file)

    return new


@pytest.fixture
def named(deploy: Deploy, postgres: Postgres) -> Deployment:
    """A deployment of which only the settings exist."""
    return deploy(postgres.database("nowhere"))


@pytest.fixture
async def deployment(kafka: Kafka, deploy: Deploy, migrated_database: Database) -> Deployment:
    """A deployment of this test alone, without a worker."""
    new = deploy(migrated_database)
    await kafka.create(*new.topics)
    return new


@pytest.fixture(scope="session")
async def shared(
    deploy: Deploy, postgres: Postgres, migrated_template: str
) -> AsyncIterator[Deployment]:
    """A deployment with a running worker, for tests that keep to learners of their own."""
    name = f"shared_{uuid4().hex}"
    deployment = deploy(postgres.create_database(name, migrated_template))
    await deployment.kafka.create(*deployment.topics)
    async with deployment.worker() as deployment.running:
        yield deployment
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def project(deploy: Deploy) -> Project:
    """Makes the parts that turn records into rows on a database."""

    def new(database: Database) -> AbstractAsyncContextManager[Projection]:
        return projection(deploy(database).settings())

    return new


@pytest.fixture
async def projected(project: Project, migrated_database: Database) -> AsyncIterator[Projection]:
    """The parts that turn records into rows, on `migrated_database`."""
    async with project(migrated_database) as parts:
        yield parts


@pytest.fixture
async def fair(deploy: Deploy, migrated_database: Database, tmp_path: Path) -> AsyncIterator[Fair]:
    """The parts by a rule book with freezes, on `migrated_database`."""
    deployment = deploy(migrated_database)
    deployment.catalogue = tmp_path / "fair.yaml"
    deployment.catalogue.write_text(FAIR)
    async with projection(deployment.settings()) as parts:
        yield Fair(deployment, parts)


@pytest.fixture
async def stage(migrated_database: Database) -> AsyncIterator[Stage]:
    """A view of the test's database."""
    async with open_stage(migrated_database, {}) as found:
        yield found
