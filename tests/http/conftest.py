"""Views on databases of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from tests.http.stage import Stage, StageMaker, open_stage


@pytest.fixture
async def stages() -> AsyncIterator[StageMaker]:
    """Makes stages on a given database, with settings and rules beside the usual ones."""
    async with AsyncExitStack() as stack:

        async def make(database: Database, rules: str = "", **options: object) -> Stage:
            return await stack.enter_async_context(open_stage(database, options, rules))

        yield make


@pytest.fixture(scope="session")
async def empty_stage(postgres: Postgres, migrated_template: str) -> AsyncIterator[Stage]:
    """A view on an empty database, for tests that leave it empty and its clock alone."""
    database = postgres.create_database("empty", migrated_template)
    async with open_stage(database, {}) as found:
        yield found
    postgres.drop_database(database.name)


@pytest.fixture
async def stage(migrated_database: Database, stages: StageMaker) -> Stage:
    """A view on an empty database, a Monday at noon."""
    return await stages(migrated_database)
