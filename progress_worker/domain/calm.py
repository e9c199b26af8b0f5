"""What a streak comes to for a learner who wants no game: facts, and nothing that urges."""

from __future__ import annotations

from typing import Final

from progress_worker.domain.streak_reading import DailyReading, DayStatus

#: They say that something was, or nearly was, done wrong.
_BLAMING: Final[frozenset[DayStatus | None]] = frozenset({"frozen", "missed"})


def without_pressure(read: DailyReading) -> DailyReading:
    """The same lengths and days, without end, risk, freezes and gap.

    The state is `active_today`, `safe` while there is a streak, else `none`.
    """
    state = read.state
    if state != "active_today":
        state = "safe" if read.current else "none"
    return read._replace(
        state=state, freezes_left=0, next_freeze_in=None, expires_on=None, repairable=None
    )


def without_blame(status: DayStatus | None) -> DayStatus | None:
    """A day's status, None for a day that was missed, also where a freeze paid for it."""
    return None if status in _BLAMING else status
