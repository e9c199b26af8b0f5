"""A release with a built-in rule book that the release before cannot read is rolled out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.harness.deploying import deploy
from tests.harness.events import completed
from tests.harness.older_release import UnknownHistoryError, release_before_format
from tests.harness.storage import execute, fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import WorkerProcess

pytestmark = pytest.mark.integration

NEWER = read_rule_book(built_in_text())
WAITS = "rule_book_waits"


async def test_it_waits_until_the_last_older_worker_is_gone(
    broker: Broker, migrated_database: Database, tmp_path: Path
) -> None:
    """Then it becomes active without a restart, and the walk moves the learners."""
    directory = tmp_path / "older"
    try:
        older = release_before_format(directory, NEWER.content.format)
    except UnknownHistoryError as error:
        pytest.skip(f"the release before cannot be had: {error}")
    text = (directory / "progress_worker" / "domain" / "rulebook.yaml").read_text("utf-8")
    older_book = read_rule_book(text)
    before = older_book.version
    assert before < NEWER.version
    deployment = await deploy(broker.bootstrap, migrated_database, tmp_path, idempotent=False)
    url = migrated_database.owner_url

    def worker(name: str, release: Sequence[str] | None = None) -> WorkerProcess:
        """One without a rule book of its own."""
        variables = deployment.environment()
        del variables["CATALOGUE_FILE"]
        return WorkerProcess(variables, tmp_path / f"{name}.log", release)

    async with worker("older", [*older, "worker"]) as last:
        await deployment.publish(completed("ada"), completed("bob"))
        await wait_until(partial(complete_by, url, before, 2), "the older worker is at work")
        await wait_until(partial(listed, url), "the database lists the older worker")
        async with worker("one") as one, worker("two") as two:
            assert await last.terminate() == 0
            await deployment.publish(*(completed(f"learner-{number}") for number in range(20)))
            await wait_until(partial(complete_by, url, before, 22), "the newer ones are at work")
            for newer in (one, two):
                assert await newer.metric("progress_rule_book_version") == before
            # Otherwise the test would wait for a minute.
            execute(url, "UPDATE running_worker SET seen_at = now() - '61 s'::interval")
            await wait_until(partial(complete_by, url, NEWER.version, 22), "all are moved")
            for newer in (one, two):
                active = partial(is_active, newer, NEWER.version)
                await wait_until(active, "the worker uses its built-in book")
                assert newer.said().count(WAITS) == 1
                assert "database_silent" not in newer.said()
    books = fetch(url, "SELECT version, format FROM rule_book ORDER BY version")
    assert books == [(before, older_book.content.format), (NEWER.version, NEWER.content.format)]


async def complete_by(url: str, version: int, learners: int) -> bool:
    query = "SELECT rule_book, count(*) FROM learner WHERE rule_book_at = version GROUP BY 1"
    return fetch(url, query) == [(version, learners)]


async def listed(url: str) -> bool:
    return fetch(url, "SELECT count(*) FROM running_worker") == [(1,)]


async def is_active(worker: WorkerProcess, version: int) -> bool:
    return await worker.metric("progress_rule_book_version") == version
