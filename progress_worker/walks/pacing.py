"""How fast a walk goes: at a limited rate, and not at all while the lag grows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from progress_worker.walks.walk import Step

_LOOK_SECONDS: Final = 1.0
#: To pass a learner who needs no work costs a fraction of deriving one.
_PASSED_PER_DERIVED: Final = 50


def walk_seconds(worked: int, examined: int, learners_per_second: float) -> float:
    """How long a walk takes at this rate that works on so many of the learners that it examines."""
    return (worked + examined / _PASSED_PER_DERIVED) / learners_per_second


class Pace:
    """The pauses between the steps of a walk."""

    def __init__(
        self,
        learners_per_second: float,
        lag_events: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        """The rate where no operator asked for another one.

        `lag_events` is how many events are not applied yet; `sleep` may end early at a stop.
        """
        self._rate = learners_per_second
        self._lag_events = lag_events
        self._sleep = sleep

    async def wait(self, step: Step, stopping: Callable[[], bool]) -> None:
        """Wait as long as the step's learners take at this rate, then while the lag grows."""
        rate = step.learners_per_second or self._rate
        await self._sleep(walk_seconds(step.worked, step.examined, rate))
        before = self._lag_events()
        while before and not stopping():
            await self._sleep(_LOOK_SECONDS)
            now = self._lag_events()
            if now <= before:
                return
            before = now
