"""Warns learners whose streak is at risk, in the worker that leads.

Where two workers take themselves for the leader, each learner is still warned once.
"""

from __future__ import annotations

import time
from typing import Final

import faust
import structlog
from mode import Service

from progress_worker.at_risk.warner import Warner
from progress_worker.errors import PoisonError, TransientError
from progress_worker.runtime.service import WorkerService
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.outages import Outage

_log = structlog.get_logger()

_LOOK_SECONDS: Final = 5.0


class WarningService(WorkerService):
    """Warns all learners who are due, every few seconds while this worker leads."""

    def __init__(self, app: faust.App, warner: Warner, books: RuleBooks, metrics: Metrics) -> None:
        super().__init__()
        self._app = app
        self._warner = warner
        self._books = books
        self._metrics = metrics
        self._outage = Outage("streak_warnings_failed")

    @Service.task
    async def _run(self) -> None:
        self._metrics.streak_warnings_passed.set(time.time())
        while not self.should_stop:
            if self._books.settled and self._app.is_leader():
                await self._pass()
            await self.sleep(_LOOK_SECONDS)

    async def _pass(self) -> None:
        """Warn until nobody is due. After a failure, the next pass goes on."""
        warned, more = 0, True
        left: list[str] = []
        try:
            while more and not self.should_stop and self._app.is_leader():
                page = await self._warner.warn(without=left)
                warned, more = warned + page.warned, page.full
                left += page.left
                self._metrics.streak_warnings.inc(page.warned)
        except (TransientError, PoisonError) as error:
            self._outage.met(str(error))
        else:
            self._outage.over()
            if not more:
                self._metrics.streak_warnings_passed.set(time.time())
        if warned:
            _log.info("streaks_warned", learners=warned)
