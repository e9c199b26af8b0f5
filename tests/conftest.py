"""The servers and databases that tests share."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """An embedded broker; a test that stops or kills one starts its own."""
    with Broker() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """An embedded Postgres with the worker's and the view's roles, and no databases of ours."""
    with Postgres(durable=False) as server:
        server.create_roles()
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """An empty database."""
    yield from _database(postgres)


@pytest.fixture
def migrated_database(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    """A database with our tables and privileges in it, and no rows."""
    yield from _database(postgres, migrated_template)


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    """The name of the database that `migrated_database` copies."""
    from progress_worker.storage.migrate import migrate  # noqa: PLC0415  few tests need it

    template = postgres.create_database("migrated_template")
    migrate(template.owner_url)
    return template.name


@pytest.fixture
def topic_prefix() -> str:
    """The beginning of topic and group names that no other test uses."""
    return f"t{uuid4().hex[:10]}-"


def _database(postgres: Postgres, template: str = "template1") -> Iterator[Database]:
    name = f"test_{uuid4().hex}"
    yield postgres.create_database(name, template)
    postgres.drop_database(name)
