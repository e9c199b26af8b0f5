"""Lets aiokafka read batches on which it gives up.

Kafka takes any bytes for a header's name, and some clients write names that are not UTF-8. aiokafka
0.14 decodes names strictly while it reads a batch of records. One such record would hold up its
partition for ever, and records of other partitions that were fetched with it would be skipped.

Compaction may remove the record of a control batch and keep the batch. There a consumer that reads
committed records only stops with "Control batch did not contain any records".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

#: A batch begins with its offset, 8 bytes, and the length of what follows these 12 bytes.
_LENGTH_AT: Final = 8
_PREFIX_BYTES: Final = 12
#: A control record that ends no aborted transaction.
_COMMIT_MARKER: Final = SimpleNamespace(key=struct.pack(">HH", 0, 1))


def accept_any_header_name() -> None:
    """From now on, consumers of this process show invalid bytes of a name as `\\xff` and go on."""
    fetcher.MemoryRecords = TolerantRecords


class TolerantRecords:
    """The batches of one fetched partition. Replaces aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._records = MemoryRecords(data)
        self._position = 0

    def size_in_bytes(self) -> int:
        """The size of all batches."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether there is another whole batch."""
        return bool(self._records.has_next())

    def next_batch(self) -> TolerantBatch:
        """The next batch; raises CorruptRecordException."""
        start = self._position
        (length,) = struct.unpack_from(">i", self._data, start + _LENGTH_AT)
        self._position = start + _PREFIX_BYTES + length
        return TolerantBatch(self._records.next_batch(), self._data[start : self._position])


class TolerantBatch:
    """aiokafka's own batch, with another reader for when that one gives up."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(list(_read(self._data)))

    def __next__(self) -> Any:
        """The record of a control batch, the only kind for which this is called."""
        return next(self._batch, _COMMIT_MARKER)


def _read(data: memoryview) -> Iterator[Any]:
    """The records of a batch in Kafka's format 2, the only format that has headers."""
    batch = _DefaultRecordBatchPy(bytearray(data))
    batch._maybe_uncompress()
    fields = _Fields(batch._buffer, batch._pos)
    for _ in range(batch._num_records):
        fields.number(), fields.number()  # its length and its attributes
        timestamp = batch.first_timestamp + fields.number()
        if batch.timestamp_type == batch.LOG_APPEND_TIME:
            timestamp = batch.max_timestamp
        offset = batch.base_offset + fields.number()
        key, value = fields.content(), fields.content()
        headers = [(fields.name(), fields.content()) for _ in range(fields.number())]
        yield _DefaultRecordPy(offset, timestamp, batch.timestamp_type, key, value, headers)


class _Fields:
    """Walks through the fields of records."""

    def __init__(self, data: bytearray, position: int) -> None:
        self._data = data
        self._position = position

    def number(self) -> int:
        number, self._position = decode_varint(self._data, self._position)
        return int(number)

    def content(self) -> bytes | None:
        length = self.number()
        if length < 0:
            return None
        start, self._position = self._position, self._position + length
        return bytes(self._data[start : self._position])

    def name(self) -> str:
        return (self.content() or b"").decode(errors="backslashreplace")
