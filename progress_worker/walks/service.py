"""Runs a walk over all learners whenever a pass is due, in the worker that leads.

It works in small steps at a limited rate, and waits while the leader's own lag grows. Where two
workers take themselves for the leader, one of them finds each page done already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import faust
from mode import Service

from progress_worker.errors import LearnerChangedError, PoisonError, TransientError
from progress_worker.runtime.service import WorkerService
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.walks import WalkMovedError
from progress_worker.telemetry.outages import Outage
from progress_worker.walks.pacing import Pace
from progress_worker.walks.walk import Step, Walk

_LOOK_SECONDS: Final = 1.0
#: The pauses after a conflict with live traffic, and while Postgres is away.
_CONFLICT_SECONDS: Final = 0.2
_OUTAGE_SECONDS: Final = 5.0


class Schedule(Protocol):
    """Says when a walk goes on."""

    @property
    def look_seconds(self) -> float:
        """How long after a look that found nothing due the next one is."""

    async def is_due(self) -> bool:
        """Whether a pass is under way or has to begin. Raises what a step may raise."""

    def stepped(self, step: Step, /) -> None:
        """Take note of what a step did."""


class WalkService(WorkerService):
    """Takes a walk on while this worker leads."""

    def __init__(
        self,
        app: faust.App,
        walk: Walk,
        schedule: Schedule,
        books: RuleBooks,
        lag_events: Callable[[], float],
        *,
        learners_per_second: float,
    ) -> None:
        """`lag_events` is how many events the leader has not applied yet."""
        super().__init__()
        self._app = app
        self._walk = walk
        self._schedule = schedule
        self._books = books
        self._pace = Pace(learners_per_second, lag_events, self.sleep)
        self._outage = Outage("walk_failed", walk=walk.passenger.name)

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            if not self._leads:
                await self.sleep(_LOOK_SECONDS)
            elif (step := await self._step()) is None:
                await self.sleep(self._schedule.look_seconds)
            else:
                self._schedule.stepped(step)
                await self._pace.wait(step, lambda: self.should_stop)

    @property
    def _leads(self) -> bool:
        return self._books.settled and self._app.is_leader()

    async def _step(self) -> Step | None:
        """The next step of the walk; None while none is due, and after one that failed."""
        try:
            step = await self._walk.step() if await self._schedule.is_due() else None
        except (LearnerChangedError, WalkMovedError):
            await self.sleep(_CONFLICT_SECONDS)
            return Step(0, 0, 0, finished=False)
        except (TransientError, PoisonError) as error:
            # The cause is a learner's row at worst, and nobody else has to wait for its repair.
            self._outage.met(str(error))
            await self.sleep(_OUTAGE_SECONDS)
            return None
        self._outage.over()
        return step
