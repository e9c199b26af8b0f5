"""Control batches as aiokafka's fetcher meets them, also those that compaction has emptied."""

from __future__ import annotations

import struct

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from progress_worker.kafka.header_names import TolerantRecords

PRODUCER = 7
#: Attributes of a transactional batch and of a control batch, and where a header keeps its fields.
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_CRC_AT, _ATTRIBUTES_AT, _PRODUCER_AT, _COUNT_AT, _RECORDS_AT = 17, 21, 43, 57, 61


def batch(offset: int, attributes: int, key: bytes, *, emptied: bool = False) -> bytes:
    """A batch of one record of the producer; emptied as compaction does it."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=PRODUCER, producer_epoch=0,
        base_sequence=0, batch_size=1_000,
    )  # fmt: skip
    assert builder.append(0, timestamp=1, key=key, value=b"value", headers=[])
    data = bytearray(builder.build())
    if emptied:
        del data[_RECORDS_AT:]
        struct.pack_into(">i", data, _COUNT_AT, 0)
    struct.pack_into(">qi", data, 0, offset, len(data) - 12)
    struct.pack_into(">h", data, _ATTRIBUTES_AT, attributes)
    struct.pack_into(">I", data, _CRC_AT, calc_crc32c(bytes(data[_ATTRIBUTES_AT:])))
    return bytes(data)


def marker(offset: int, kind: int, *, emptied: bool = False) -> bytes:
    """The marker that ends a transaction: kind 0 aborts it, kind 1 commits it."""
    key = struct.pack(">HH", 0, kind)
    return batch(offset, _TRANSACTIONAL | _CONTROL, key, emptied=emptied)


def record(offset: int) -> bytes:
    return batch(offset, _TRANSACTIONAL, b"key")


def read(data: bytes, aborted: list[tuple[int, int]], level: int) -> tuple[list[int], int]:
    """The offsets of the records that a consumer sees, and its position after them."""
    records = PartitionRecords(
        TopicPartition("t", 0), TolerantRecords(data), aborted, 0, None, None, True, level
    )  # fmt: skip
    return [found.offset for found in records], records.next_fetch_offset


@pytest.mark.parametrize("level", [READ_COMMITTED, READ_UNCOMMITTED])
def test_an_emptied_control_batch_is_passed(level: int) -> None:
    data = marker(1, 0, emptied=True) + record(2) + marker(3, 1) + marker(4, 1, emptied=True)
    assert read(data, [], level) == ([2], 5)


def test_an_aborted_transaction_is_passed_and_the_next_one_is_read() -> None:
    data = record(0) + marker(1, 0) + record(2) + marker(3, 1)
    assert read(data, [(PRODUCER, 0)], READ_COMMITTED) == ([2], 4)
