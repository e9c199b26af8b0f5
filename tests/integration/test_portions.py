"""A Postgres that is too slow for a whole batch is given less of it, and every record once."""

from __future__ import annotations

import pytest

from progress_worker.errors import TooSlowError
from progress_worker.ingest.portions import Portions
from tests.harness.events import completed, records
from tests.harness.storage import execute, fetch, projection
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


async def test_a_batch_too_large_for_the_time_limit_is_cut(deployment: Deployment) -> None:
    owner = deployment.database.owner_url
    execute(owner, SLOW)
    batch = records(*(completed(f"u{number % 10}") for number in range(RECORDS)))
    pulses: list[None] = []
    async with projection(
        deployment.settings(DATABASE_STATEMENT_TIMEOUT_SECONDS=LIMIT_SECONDS)
    ) as parts:
        portions = Portions(batch, parts.projector.apply, lambda: pulses.append(None))
        with pytest.raises(TooSlowError):
            await portions()
        await parts.retry.run("ingest", portions)
        outcome = {"outcome": "applied"}
        assert parts.metrics.registry.get_sample_value("progress_events_total", outcome) == RECORDS
        assert parts.metrics.registry.get_sample_value(
            "progress_events_total", {"outcome": "duplicate"}
        ) in {None, 0}
    assert len(pulses) > 2
    assert fetch(owner, "SELECT count(*), count(DISTINCT user_id) FROM completion") == [
        (RECORDS, 10)
    ]
