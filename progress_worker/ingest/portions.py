"""A batch that Postgres does not finish in time is applied in smaller transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from progress_worker.errors import TooSlowError
from progress_worker.outbox.messages import Record

_log = structlog.get_logger()


class Portions:
    """The records that are left of a batch, and how many of them are tried at once.

    Each call applies all that is left, in order, and raises what `apply` raises. After a
    TooSlowError the next call tries half as many at once; what was applied before is not tried
    again. `pulse` is called before each portion.
    """

    def __init__(
        self,
        records: Sequence[Record],
        apply: Callable[[Sequence[Record]], Awaitable[None]],
        pulse: Callable[[], None],
    ) -> None:
        self._left = records
        self._size = len(records)
        self._apply = apply
        self._pulse = pulse

    async def __call__(self) -> None:
        """Apply what is left."""
        while self._left:
            self._pulse()
            try:
                await self._apply(self._left[: self._size])
            except TooSlowError:
                self._size = max(1, self._size // 2)
                _log.warning("smaller_portions", records=self._size)
                raise
            self._left = self._left[self._size :]
