"""A dead letter is read whatever its headers say: anybody may write to the topic."""

from __future__ import annotations

import datetime as dt

import pytest
from aiokafka import ConsumerRecord

from progress_worker.deadletters.letters import Letter, read_letter


def letter(**about: str) -> Letter:
    headers = [(f"dlq.{name.replace('_', '-')}", text.encode()) for name, text in about.items()]
    return read_letter(ConsumerRecord("t", 0, 7, 0, 0, None, b"value", None, -1, 5, headers))


def test_times_and_release() -> None:
    found = letter(
        original_timestamp="1764090000500",
        failed_at="2025-11-25T17:00:01+00:00",
        worker_version="0.1.0",
    )
    assert found.sent_at == dt.datetime(2025, 11, 25, 17, 0, 0, 500_000, tzinfo=dt.UTC)
    assert found.failed_at == dt.datetime(2025, 11, 25, 17, 0, 1, tzinfo=dt.UTC)
    assert found.worker_version == "0.1.0"


@pytest.mark.parametrize("text", ["", "soon", "9" * 15, "9" * 40, "-" + "9" * 40])
def test_a_time_that_is_none(text: str) -> None:
    found = letter(original_timestamp=text, failed_at=text)
    assert (found.sent_at, found.failed_at) == (None, None)
    assert found.worker_version == "unknown"
