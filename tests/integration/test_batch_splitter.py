"""A Postgres that is too slow for a whole batch gets smaller ones, and every record once."""

from __future__ import annotations

from functools import partial

import pytest
from structlog.testing import capture_logs

from progress_worker.errors import TooSlowError
from progress_worker.ingest.batch_splitter import Batch
from tests.harness.events import Record, completed, records
from tests.harness.storage import Projection, execute, fetch, projection
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

RECORDS = 40
#: 20 ms for each completion: a batch takes longer than the limit, a quarter of it does not.
SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END';
CREATE TRIGGER slow BEFORE INSERT ON completion FOR EACH ROW EXECUTE FUNCTION slow();
"""
LIMIT_SECONDS = "0.4"
REFUSE = """
ALTER TABLE completion ADD CONSTRAINT refused CHECK (exercise_id <> 'refused');
"""


def some_records(count: int = RECORDS) -> list[Record]:
    return records(*(completed(f"u{number % 10}") for number in range(count)))


def counted(parts: Projection, name: str, **labels: str) -> float:
    return parts.metrics.registry.get_sample_value(name, labels) or 0


def transactions(owner: str) -> list[int]:
    """How many completions each transaction stored, in the order of the transactions."""
    rows = fetch(
        owner, "SELECT count(*) FROM completion GROUP BY xmin ORDER BY min(xmin::text::bigint)"
    )
    return [count for (count,) in rows]


async def test_a_batch_too_large_for_the_time_limit_is_cut(deployment: Deployment) -> None:
    owner = deployment.database.owner_url
    execute(owner, SLOW)
    pulses: list[None] = []
    async with projection(
        deployment.settings(DATABASE_STATEMENT_TIMEOUT_SECONDS=LIMIT_SECONDS),
        pulse=lambda: pulses.append(None),
    ) as parts:
        batch = Batch(some_records())
        with pytest.raises(TooSlowError):
            await parts.splitter.attempt(batch)
        await parts.retry.run("ingest", partial(parts.splitter.attempt, batch))
        assert counted(parts, "progress_events_total", outcome="applied") == RECORDS
        assert counted(parts, "progress_events_total", outcome="duplicate") == 0
        assert counted(parts, "progress_batch_seconds_count", step="decode") == 1
    assert len(pulses) > 2
    assert fetch(owner, "SELECT count(*), count(DISTINCT user_id) FROM completion") == [
        (RECORDS, 10)
    ]


async def test_the_next_batch_begins_with_the_size_that_worked_and_grows_again(
    deployment: Deployment,
) -> None:
    owner = deployment.database.owner_url
    execute(owner, SLOW)
    settings = deployment.settings(
        DATABASE_STATEMENT_TIMEOUT_SECONDS=LIMIT_SECONDS, BATCH_MAX_EVENTS=str(RECORDS)
    )
    async with projection(settings) as parts:
        await parts.splitter.apply(some_records())
        worked = max(transactions(owner))
        assert worked < RECORDS
        execute(owner, "TRUNCATE completion")
        await parts.apply(some_records())  # no try takes too long
        assert max(transactions(owner)) <= worked
        execute(owner, "DROP TRIGGER slow ON completion")
        execute(owner, "TRUNCATE completion")
        with capture_logs() as logged:
            for _ in range(4):
                await parts.apply(some_records())
        sizes = transactions(owner)
        assert sizes[0] <= worked
        assert sizes[-1] == RECORDS
    assert [entry["event"] for entry in logged] == ["batch_split_over"]


@pytest.mark.parametrize("refused", [(0,), (RECORDS - 1,), (5, 6, 30), range(RECORDS)])
async def test_what_postgres_refuses_is_narrowed_down_to_its_records(
    deployment: Deployment, refused: tuple[int, ...] | range
) -> None:
    owner = deployment.database.owner_url
    execute(owner, REFUSE)
    events = [
        completed(f"u{number % 10}", exercise_id="refused" if number in refused else "fine")
        for number in range(RECORDS)
    ]
    async with projection(deployment.settings()) as parts:
        await parts.apply(records(*events))
        applied = RECORDS - len(refused)
        assert counted(parts, "progress_events_total", outcome="applied") == applied
        assert counted(parts, "progress_events_total", outcome="dead_lettered") == len(refused)
        assert counted(parts, "progress_events_total", outcome="duplicate") == 0
        assert counted(parts, "progress_batch_seconds_count", step="decode") == 1
    offsets = """
        SELECT (SELECT h ->> 1 FROM jsonb_array_elements(headers::jsonb) AS h
                WHERE h ->> 0 = 'dlq.original-offset')::int AS number
        FROM outbox WHERE topic LIKE '%.dlq' ORDER BY number
    """
    assert [number for (number,) in fetch(owner, offsets)] == list(refused)
