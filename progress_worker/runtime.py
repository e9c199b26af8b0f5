"""What every service of the worker shares: a failure ends the process, soon and with its reason."""

from __future__ import annotations

import os
import threading
from typing import Final

import structlog
from mode import Service

_log = structlog.get_logger()

#: An orderly end after a failure may hang in a client library; after so long it is cut short.
_END_SECONDS: Final = 20.0
_EXIT_STATUS: Final = 70


class WorkerService(Service):
    """A Faust service without which the worker is of no use."""

    async def crash(self, reason: BaseException) -> None:
        """Stop the whole worker; the supervisor starts a new one."""
        _log.critical("worker_stops", service=type(self).__name__, reason=str(reason))
        timer = threading.Timer(_END_SECONDS, os._exit, [_EXIT_STATUS])
        timer.daemon = True
        timer.start()
        await super().crash(reason)
