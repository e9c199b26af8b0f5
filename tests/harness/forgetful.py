"""Runs a worker that breaks its promises: it skips a batch, and a record of each topic.

What it skips counts as done: offsets are committed and rows deleted. It proves that the fault suite
would notice.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from progress_worker import cli
from progress_worker.ingest.batch_splitter import BatchSplitter
from progress_worker.outbox.relay import RelayService
from progress_worker.storage.write import outbox

_apply, _publish = BatchSplitter.apply, RelayService._publish
_skipped: set[str] = set()


async def apply(splitter: BatchSplitter, records: Sequence[Any]) -> None:
    """Forget the first batch."""
    if "batch" in _skipped:
        await _apply(splitter, records)
    _skipped.add("batch")


async def publish(
    service: RelayService, producer: Any, connection: Any, pending: Sequence[Any]
) -> None:
    """Delete the first record of each topic and send all others."""
    for waiting in pending:
        if waiting.record.topic not in _skipped:
            _skipped.add(waiting.record.topic)
            await outbox.delete(connection, [waiting.id])
            pending = [other for other in pending if other is not waiting]
    await _publish(service, producer, connection, pending)


if __name__ == "__main__":
    setattr(BatchSplitter, "apply", apply)  # noqa: B010
    setattr(RelayService, "_publish", publish)  # noqa: B010
    sys.argv[1:] = ["worker"]
    cli.main()
