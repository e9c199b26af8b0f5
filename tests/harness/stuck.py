"""Runs a worker that gets stuck: `stuck.py WHERE`.

`apply`: the first batch never returns. `deaf`: the consumer returns nothing after the first batch.
`join`: the group never answers. `for_good`: the first batch cannot even be abandoned. `bug`: the
first batch raises an unexpected error.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator

from progress_worker import cli
from progress_worker.ingest.batch_splitter import BatchSplitter

_getmany = AIOKafkaConsumer.getmany
_ensure_active_group = GroupCoordinator.ensure_active_group
_heard: set[AIOKafkaConsumer] = set()


async def apply(_splitter: BatchSplitter, _records: Any) -> None:
    """Never return."""
    await asyncio.Event().wait()


async def bug(_splitter: BatchSplitter, _records: Any) -> None:
    """Raise an error that only a bug of ours raises."""
    raise LookupError("nobody thought of this")


async def for_good(_splitter: BatchSplitter, _records: Any) -> None:
    """Never return, not even when cancelled."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def deaf(consumer: AIOKafkaConsumer, *partitions: Any, **options: Any) -> dict[Any, Any]:
    """Return nothing after the first batch, like clients that lost their broker unnoticed."""
    if consumer in _heard:
        await asyncio.sleep(0.2)
        return {}
    found: dict[Any, Any] = await _getmany(consumer, *partitions, **options)
    if found:
        _heard.add(consumer)
    return found


async def join(coordinator: GroupCoordinator, *arguments: Any) -> Any:
    """Wait for partitions for ever; only Faust's own group gets some."""
    if coordinator.group_id.endswith("-commands"):
        return await _ensure_active_group(coordinator, *arguments)
    return await asyncio.Event().wait()


WHERE = {
    "apply": (BatchSplitter, "apply", apply),
    "for_good": (BatchSplitter, "apply", for_good),
    "bug": (BatchSplitter, "apply", bug),
    "deaf": (AIOKafkaConsumer, "getmany", deaf),
    "join": (GroupCoordinator, "ensure_active_group", join),
}


if __name__ == "__main__":
    setattr(*WHERE[sys.argv[1]])
    sys.argv[1:] = ["worker"]
    cli.main()
