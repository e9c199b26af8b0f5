"""The servers and databases that tests share, and hooks for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from tests.harness.apache_kafka import Cluster, cluster_or_skip
from tests.harness.copies import Copies
from tests.harness.ledger import account
from tests.harness.sharing import SharedServers, turn

# Without a deadline: a busy machine must not fail a test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SharedServers:
    """Choose which tests run in one process if there are several processes."""
    return SharedServers(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the slow tests first if there are several processes, so that all end together."""
    if hasattr(config, "workerinput"):
        items.sort(key=turn)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the summary of the fault tests, whichever processes they ran in."""
    reports = terminalreporter.getreports("passed")
    if lines := account(report.user_properties for report in reports):
        terminalreporter.section("faults survived, each round reconciled")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """An embedded broker; a test that stops or kills one starts its own."""
    with Broker() as server:
        yield server


@pytest.fixture(scope="session")
def apache_kafka() -> Iterator[Cluster]:
    """One node of Apache Kafka; a test that stops or kills one starts its own."""
    yield from cluster_or_skip(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """An embedded Postgres with the worker's and the view's roles, and no databases of ours."""
    with Postgres(durable=False) as server:
        server.create_roles()
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """An empty database."""
    name = f"test_{uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture
def migrated_database(migrated_copies: Copies) -> Iterator[Database]:
    """A database with our tables and privileges in it, and no rows."""
    copy = migrated_copies.take()
    yield copy
    migrated_copies.drop(copy)


@pytest.fixture(scope="session")
def migrated_copies(postgres: Postgres, migrated_template: str) -> Iterator[Copies]:
    """Makes what `migrated_database` hands out."""
    with Copies(postgres, migrated_template) as copies:
        yield copies


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    """The name of the database that `migrated_database` copies."""
    from progress_worker.storage.schema.migrate import migrate  # noqa: PLC0415  few tests need it

    template = postgres.create_database("migrated_template")
    migrate(template.owner_url)
    return template.name


@pytest.fixture
def topic_prefix() -> str:
    """The beginning of topic and group names that no other test uses."""
    return f"t{uuid4().hex[:10]}-"
