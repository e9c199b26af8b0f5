"""Runs a worker that gets stuck: `stuck.py apply` in its first batch, `stuck.py fetch` after it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer

from progress_worker import cli
from progress_worker.ingest.projector import Projector

_getmany = AIOKafkaConsumer.getmany
_heard: set[AIOKafkaConsumer] = set()


async def apply(_projector: Projector, _records: Any) -> None:
    """Never come back."""
    await asyncio.Event().wait()


async def getmany(consumer: AIOKafkaConsumer, *partitions: Any, **options: Any) -> dict[Any, Any]:
    """Go deaf after the first batch, as clients did that lost their broker without noticing."""
    if consumer in _heard:
        await asyncio.sleep(0.2)
        return {}
    found: dict[Any, Any] = await _getmany(consumer, *partitions, **options)
    if found:
        _heard.add(consumer)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "apply":
        setattr(Projector, "apply", apply)  # noqa: B010
    else:
        AIOKafkaConsumer.getmany = getmany
    sys.argv[1:] = ["worker"]
    cli.main()
