"""Logs a fault when it begins, once a minute while it lasts, and when it is over."""

from __future__ import annotations

import time
from typing import Final

import structlog

_log = structlog.get_logger()

_REMINDER_SECONDS: Final = 60.0


class Outage:
    """Logs `event` while a fault lasts, once a minute at most, and `event_over` at its end.

    An error that this outage has not had before is logged at once.
    """

    def __init__(self, event: str, **context: object) -> None:
        self._event = event
        self._context = context
        self._began_at: float | None = None
        self._logged_at = float("-inf")
        self._errors: set[str] = set()

    @property
    def lasting(self) -> bool:
        """Whether the fault has begun and is not over."""
        return self._began_at is not None

    def met(self, error: str) -> None:
        """Report that the fault occurred, for the first time or again."""
        now = time.monotonic()
        self._began_at = now if self._began_at is None else self._began_at
        if error in self._errors and now - self._logged_at < _REMINDER_SECONDS:
            return
        self._errors.add(error)
        self._logged_at = now
        _log.warning(self._event, **self._context, error=error, seconds=self._seconds())

    def over(self) -> None:
        """Report that there is no fault now. Logs it if there was one."""
        if self._began_at is not None:
            _log.info(f"{self._event}_over", **self._context, seconds=self._seconds())
        self._began_at, self._errors = None, set()

    def _seconds(self) -> float:
        began_at = self._began_at
        return 0.0 if began_at is None else round(time.monotonic() - began_at, 1)
