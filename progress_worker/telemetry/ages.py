"""How long ago a moment was, if its time is plausible."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: 1 January 2011, the year of Kafka's first release: no record is older. If a producer writes
#: seconds as milliseconds, or 0 or -1, the moment lies in 1970.
_EARLIEST: Final = 1_293_840_000
#: How far a producer's clock may be ahead of this machine's.
_AHEAD_SECONDS: Final = 300.0


def age(moment: float, now: float) -> float | None:
    """Seconds from a moment until now, both in seconds since 1970.

    None if the moment is implausible: it lies before 2011 or far in the future. A moment that is
    ahead by no more than clocks differ has the age 0.
    """
    if _EARLIEST <= moment <= now + _AHEAD_SECONDS:
        return max(0.0, now - moment)
    return None


def ages(moments: Iterable[float], now: float) -> list[float]:
    """The ages of those moments that have one."""
    return [found for moment in moments if (found := age(moment, now)) is not None]
