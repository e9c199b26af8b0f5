"""The hostile records one by one: each is decoded or refused as the corpus says."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest

from progress_worker.errors import PoisonError
from progress_worker.ingest.decode import Decoder
from tests.fuzz.checking import check
from tests.fuzz.inputs import packed
from tests.harness.poison import APPLIED, MAX_VALUE_BYTES, Hostile, hostile_records

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
DECODER = Decoder(max_value_bytes=MAX_VALUE_BYTES, max_future_seconds=300)
RECORDS = hostile_records()


@pytest.mark.parametrize("record", RECORDS, ids=range(len(RECORDS)))
def test_a_hostile_record(record: Hostile) -> None:
    key, value, headers = record.wire
    if record.outcome is APPLIED:
        found = DECODER.decode(key, value, headers, NOW).completion
        assert found.event_id == UUID(record.event_id), record.name
        assert found.user_id.encode() == key
        return
    with pytest.raises(PoisonError) as caught:
        DECODER.decode(key, value, headers, NOW)
    assert caught.value.reason == record.outcome, record.name
    assert record.event_id not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("record", RECORDS, ids=range(len(RECORDS)))
def test_what_is_promised_of_any_record_holds(record: Hostile) -> None:
    """`make fuzz` checks the same promises, beginning with these records."""
    check(packed(record.wire))
