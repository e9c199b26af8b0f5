"""Makes long answers in a thread, so that the event loop answers others meanwhile."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from progress_worker.errors import TransientError

#: An answer from fewer characters takes two milliseconds, or a few on a slow machine.
_SHORT: Final = 16_000
#: A row that an answer has in any case takes at most as long as this many characters.
_CHARACTERS_PER_ROW: Final = 30
#: The longest time for an answer to wait for its turn and to be made, in seconds.
_LIMIT_SECONDS: Final = 30

_Made = TypeVar("_Made")


class Computing:
    """Makes answers: short ones at once, long ones one after the other in a thread.

    There is one thread, because more threads would not finish sooner. Each would also take the
    interpreter's lock from the event loop.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="answers")

    async def make(self, characters: int, make: Callable[[], _Made], *, rows: int = 0) -> _Made:
        """Call `make`, which reads this many characters and makes this many further rows.

        Raises TransientError if it is not done in time because too many answers wait before it.
        """
        if characters + rows * _CHARACTERS_PER_ROW < _SHORT:
            return make()
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(
                    self._thread, _without_collector, make
                )
        except TimeoutError as error:
            raise TransientError("Too many long answers are being made.") from error

    def close(self) -> None:
        """Drop the waiting answers. The one that is being made ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _without_collector(make: Callable[[], _Made]) -> _Made:
    """Call `make` without looking for cycles meanwhile.

    A long answer is made of hundreds of thousands of objects. The collector would walk through
    them several times and find no cycles. During a walk the view answers nobody.
    """
    gc.disable()
    try:
        return make()
    finally:
        gc.enable()
