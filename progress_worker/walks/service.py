"""Runs the walk that moves learners to the active rule book, in the worker that leads.

It works in small steps at a limited rate, and waits while the leader's own lag grows. Where two
workers take themselves for the leader, one of them finds each page done already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import faust
import structlog
from mode import Service

from progress_worker.errors import LearnerChangedError, PoisonError, TransientError
from progress_worker.runtime.service import WorkerService
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.walks import WalkMovedError
from progress_worker.telemetry.outages import Outage
from progress_worker.walks.pacing import Pace
from progress_worker.walks.walk import Step, Walk

_log = structlog.get_logger()

_LOOK_SECONDS: Final = 1.0
#: How long to wait after a pass that found nobody to move, before looking again.
_REST_SECONDS: Final = 3_600.0
#: The pauses after a conflict with live traffic, and while Postgres is away.
_CONFLICT_SECONDS: Final = 0.2
_OUTAGE_SECONDS: Final = 5.0


class WalkService(WorkerService):
    """Moves learners on while this worker leads."""

    def __init__(
        self,
        app: faust.App,
        walk: Walk,
        books: RuleBooks,
        lag_events: Callable[[], float],
        *,
        learners_per_second: float,
    ) -> None:
        """`lag_events` is how many events the leader has not applied yet."""
        super().__init__()
        self._app = app
        self._walk = walk
        self._books = books
        self._pace = Pace(learners_per_second, lag_events, self.sleep)
        self._outage = Outage("walk_failed", walk=walk.passenger.name)

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            if self._books.settled and self._app.is_leader():
                await self._pass()
            await self.sleep(_LOOK_SECONDS)

    async def _pass(self) -> None:
        """Walk on to the end; rest if nobody had to be moved."""
        version, worked, finished = self._books.active.version, 0, False
        while not finished:
            if self.should_stop or not self._app.is_leader():
                return
            step = await self._step()
            worked, finished = worked + step.worked, step.finished
            await self._pace.wait(step, lambda: self.should_stop)
        if worked:
            _log.info("learners_moved", rule_book=version, learners=worked)
        else:
            await self._rest(version)

    async def _rest(self, version: int) -> None:
        """Wait for the next rule book, or long enough to look for learners once more."""
        until = time.monotonic() + _REST_SECONDS
        while time.monotonic() < until and self._books.active.version == version:
            if self.should_stop or not self._app.is_leader():
                return
            await self.sleep(_LOOK_SECONDS)

    async def _step(self) -> Step:
        try:
            step = await self._walk.step()
        except (LearnerChangedError, WalkMovedError):
            await self.sleep(_CONFLICT_SECONDS)
        except (TransientError, PoisonError) as error:
            # The cause is a learner's row at worst, and nobody else has to wait for its repair.
            self._outage.met(str(error))
            await self.sleep(_OUTAGE_SECONDS)
        else:
            self._outage.over()
            return step
        return Step(0, 0, 0, finished=False)
