"""The worker's time limits hold while Postgres is frozen, and its connections come back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest

from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import TooSlowError, TransientError
from progress_worker.storage.database import connect_for, create_engine
from tests.harness.freezing import frozen

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the server's processes in /proc"),
]

LIMIT_SECONDS = 1.0
#: A busy machine may add this; waiting for a cancelled statement would add more.
SLACK_SECONDS = 3.0


@pytest.fixture
def server() -> Iterator[Postgres]:
    with Postgres(durable=False) as found:
        yield found


async def test_no_wait_goes_beyond_its_limit(server: Postgres) -> None:
    engine = create_engine(
        server.url(),
        application_name="worker",
        pool_size=2,
        connect_timeout_seconds=5,
        statement_timeout_seconds=30,
    )

    async def ask() -> None:
        async with asyncio.timeout(LIMIT_SECONDS + SLACK_SECONDS):
            async with connect_for(engine, LIMIT_SECONDS) as connection:
                await connection.execute("SELECT 1")

    await asyncio.gather(ask(), ask())
    with frozen(server):
        # First with open connections, then with new ones, then with none free.
        for _ in range(3):
            failed = await asyncio.gather(ask(), ask(), ask(), return_exceptions=True)
            assert {type(error) for error in failed} <= {TooSlowError, TransientError}
            assert TooSlowError in {type(error) for error in failed}
    await asyncio.gather(ask(), ask())
    await engine.dispose()
