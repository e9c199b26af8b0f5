"""How rare achievements are, which is the same for everybody: read once and kept for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from progress_worker.domain.rarity import HolderCounts
from progress_worker.errors import TransientError
from progress_worker.storage.read.connections import ReadConnections
from progress_worker.storage.read.statements import RARITY
from progress_worker.telemetry.outages import Outage

#: After this time a count is read again.
_FRESH_SECONDS: Final = 60.0


class ViewRarity:
    """What was counted last. No answer fails without it."""

    def __init__(
        self, connections: ReadConnections, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._counts: HolderCounts | None = None
        self._looked_at = float("-inf")
        self._outage = Outage("rarity_unreadable")

    async def current(self) -> HolderCounts | None:
        """The counts; None before the first ones, and where the last ones are a month old.

        While one question reads them again, all others go on with those that are known.
        """
        now = self._clock()
        if now - self._looked_at >= _FRESH_SECONDS:
            self._looked_at = now
            await self._read()
        return self._counts

    async def _read(self) -> None:
        try:
            row = await self._connections.one(RARITY)
        except TransientError as error:
            self._outage.met(str(error))
        except BaseException:
            self._looked_at = float("-inf")  # The reader has gone: the next question reads.
            raise
        else:
            self._outage.over()
            self._counts = None if row is None else HolderCounts(*row)
