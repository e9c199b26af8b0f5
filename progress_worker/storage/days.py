"""Days as Postgres stores them, a datemultirange, and as the rules know them, runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from progress_worker.domain.days import Run


def bounds(column: str) -> str:
    """Selects the first day of each run and the day after it, one after the other, as ordinals.

    Those are numbers, so that no date style can change them on their way. `column` is one of the
    learner's; null has no runs.
    """
    return (
        "ARRAY(SELECT unnest(ARRAY[lower(run), upper(run)]) - '0001-01-01'::date + 1"
        f" FROM unnest(learner.{column}) AS run)"
    )


#: The learner's columns of days, in the order of the parts of `Streaks`.
COLUMNS: Final = ("active_days", "excused_days", "travel_days")


def read_runs(bounds: Sequence[int]) -> list[Run]:
    """The runs that `bounds` selected, both ends included. Raises ValueError for half a run."""
    return [(first, after - 1) for first, after in zip(bounds[::2], bounds[1::2], strict=True)]


def format_runs(runs: Iterable[Run]) -> str:
    """Runs as text that Postgres reads as a datemultirange, whatever its date style is."""
    return (
        "{" + ",".join([f"[{_date_text(first)},{_date_text(last)}]" for first, last in runs]) + "}"
    )


@lru_cache(maxsize=10_000)  # 27 years
def _date_text(ordinal: int) -> str:
    return dt.date.fromordinal(ordinal).isoformat()
