"""Runs a worker that kills itself the nth time that it reaches a step: `die_at.py STEP NTH`.

The steps are wrapped from outside, so that the worker itself has no code for the tests.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from progress_worker import cli
from progress_worker.ingest import projector
from progress_worker.ingest.partition_consumer import PartitionConsumer
from progress_worker.outbox.relay import RelayService
from progress_worker.storage.write import outbox

Step = Callable[..., Awaitable[Any]]

#: Where each step's function lives, and whether death comes before it or after it.
STEPS: dict[str, tuple[object, str, bool]] = {
    "loaded": (projector, "save", True),
    "written": (projector, "save", False),
    "database_committed": (PartitionConsumer, "_commit_offsets", True),
    "offsets_committed": (PartitionConsumer, "_commit_offsets", False),
    "read_from_outbox": (RelayService, "_publish", True),
    "produced": (outbox, "delete", True),
    "deleted": (outbox, "delete", False),
}


def die_at(step: str, nth: int) -> None:
    """Wrap the step's function."""
    owner, name, before = STEPS[step]
    function: Step = getattr(owner, name)
    calls = 0

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        # The relay looks for records all the time; only a look that found some counts.
        calls += step != "read_from_outbox" or bool(arguments[3])
        mine = calls == nth
        if mine and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await function(*arguments, **options)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


if __name__ == "__main__":
    die_at(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:] = ["worker"]
    cli.main()
