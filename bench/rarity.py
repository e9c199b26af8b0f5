"""Measures a pass that counts how many learners hold each achievement.

    python bench/rarity.py [--learners 100000]

The pauses that a worker makes between the pages are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from rich.console import Console

from bench.learners import store_learners
from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.database import create_engine
from progress_worker.storage.schema.migrate import migrate
from progress_worker.walks.rarity import PAGE_LEARNERS, CountRarity
from progress_worker.walks.walk import Walk


def main() -> None:
    """Fill the database, and count three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=100_000)
    options, console = parser.parse_args(), Console()
    with Postgres() as server:
        server.create_roles()
        database = server.create_database("bench")
        migrate(database.owner_url)
        console.print(f"Storing {options.learners:,} learners")
        store_learners(database, options.learners)
        for _ in range(3):
            begun, used = time.monotonic(), time.process_time()
            slowest = asyncio.run(_count(database))
            seconds, processor = time.monotonic() - begun, time.process_time() - used
            console.print(
                f"{seconds:.2f} s, of which {processor:.2f} s in this process; "
                f"the slowest page {slowest * 1_000:.0f} ms"
            )


async def _count(database: Database) -> float:
    """A pass; returns the slowest page's seconds."""
    engine = create_engine(
        database.worker_url,
        application_name="progress-worker bench",
        pool_size=1,
        connect_timeout_seconds=5,
        statement_timeout_seconds=20,
    )
    passenger = CountRarity(read_rule_book(built_in_text()))
    walk = Walk(engine, passenger, time_limit_seconds=20, page_learners=PAGE_LEARNERS)
    slowest, finished = 0.0, False
    try:
        while not finished:
            begun = time.monotonic()
            finished = (await walk.step()).finished
            slowest = max(slowest, time.monotonic() - begun)
    finally:
        await engine.dispose()
    return slowest


if __name__ == "__main__":
    main()
