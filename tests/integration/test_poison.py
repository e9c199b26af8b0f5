"""All hostile records at once, through a broker, a worker and Postgres; none is lost."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import pytest

from progress_worker.ingest.decode import Decoder
from progress_worker.storage.rows import COMPLETION
from tests.harness.poison import APPLIED, MAX_VALUE_BYTES, Hostile, hostile_records
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

DECODER: Final = Decoder(max_value_bytes=MAX_VALUE_BYTES, max_future_seconds=300)


async def test_every_hostile_record_is_applied_or_set_aside_as_it_came(
    deployment: Deployment,
) -> None:
    records = hostile_records()
    broken = [record for record in records if record.outcome is not APPLIED]
    good = {_stored(record) for record in records if record.outcome is APPLIED}
    await deployment.publish(*(record.wire for record in records), partition=0)
    async with deployment.worker() as worker:
        letters = await deployment.kafka.read(deployment.dead_letters, len(broken))

        async def applied() -> bool:
            return len(fetch(deployment.database.owner_url, COMPLETION.select)) == len(good)

        await wait_until(applied, "everything good is applied")
        assert set(fetch(deployment.database.owner_url, COMPLETION.select)) == good
        assert await worker.metric("progress_events_total") == len(records)
        assert await worker.metric("progress_outbox_parked") == 0
        assert await worker.terminate() == 0
    _expect(letters, broken)


def _stored(record: Hostile) -> tuple[Any, ...]:
    """The row of a good record."""
    return tuple(DECODER.decode(*record.wire, dt.datetime.now(dt.UTC)).completion)


def _expect(letters: list[Any], broken: list[Hostile]) -> None:
    """The letters are in the order of the records; each has its record's bytes and its reason."""
    found = sorted(letters, key=lambda letter: int(_about(letter, "dlq.original-offset")))
    for letter, (_name, wire, reason, _event_id) in zip(found, broken, strict=True):
        assert (letter.key, letter.value) == (wire.key, wire.value)
        assert letter.headers[: len(wire.headers)] == wire.headers
        assert _about(letter, "dlq.reason").decode() == reason


def _about(letter: Any, name: str) -> Any:
    """Our header, which comes after any header of the producer with that name."""
    return dict(letter.headers)[name]
