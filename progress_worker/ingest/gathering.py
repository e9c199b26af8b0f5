"""Decides how long records gather before the next batch is read.

Every batch has a fixed cost of some milliseconds, so few large batches are cheaper than many small
ones. A record that comes alone is not kept waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Gathering:
    """Knows the rate of the last batch; `longest` is the longest wait in seconds, 0 for none."""

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._clock = clock
        self._read_at = float("-inf")
        self._until = float("-inf")

    @property
    def wanted(self) -> bool:
        """Whether records may be kept waiting at all."""
        return self._longest > 0

    def read(self, records: int) -> None:
        """Note a batch. At its rate, another record comes within the longest wait, or none does."""
        now = self._clock()
        comes = records * self._longest >= now - self._read_at
        self._until = now + self._longest if comes else now
        self._read_at = now

    @property
    def seconds_left(self) -> float:
        """How long to wait before the next read; the wait began with the last one."""
        return max(0.0, self._until - self._clock())
