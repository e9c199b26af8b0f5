"""What one event, learner and request cost, as measured, and where each figure comes from.

docs/sizing.md shows the figures, and says how the sizes in Postgres were measured.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Cost(NamedTuple):
    """A measured figure in seconds, bytes, or a number per second, and its source."""

    name: str
    figure: float
    unit: str
    source: str

    @property
    def value(self) -> float:
        """The figure in seconds, bytes or per second."""
        return self.figure * _UNITS[self.unit]


_UNITS: Final = {"ms": 1e-3, "B": 1.0, "kB": 1e3, "/s": 1.0}

WORKER_TIME: Final = Cost(
    "worker's processor time per event",
    0.21,
    "ms",
    "small batches, 2,000 events a second (`bench/results/latency.json`); a fifth of that with "
    "full batches, in a backlog",
)
POSTGRES_TIME: Final = Cost("Postgres's processor time per event", 0.12, "ms", "the same")
COMPLETION: Final = Cost("a completion in Postgres", 276, "B", "heap and index of `completion`")
DAY_ROW: Final = Cost(
    "its share of a day's row",
    282,
    "B",
    "heap and index of `learner_day`: most completions are the only one of their day, topic and "
    "difficulty",
)
LEARNER: Final = Cost(
    "a learner in Postgres",
    10.3,
    "kB",
    "the learner's row 1.3 kB, 17 rows of `learner_total` 4.3 kB, 7 of `skill_level` 1.4 kB, 12 "
    "unlocks 3.2 kB",
)
WAL: Final = Cost(
    "write-ahead log per event", 1.2, "kB", "without page images; see [below](#write-ahead-log)"
)
WAL_AT_MOST: Final = Cost(
    "the same at most",
    13,
    "kB",
    "all learners active at random just after a checkpoint, batches of 100, compressed",
)
RECORD: Final = Cost("a record in Kafka", 0.46, "kB", "key, value and headers, not compressed")
PAGES: Final = Cost(
    "pages of an active learner",
    48,
    "kB",
    "six pages of 8 kB: leaves of two indexes, the latest days, the totals, the learner",
)
VIEW_RATE: Final = Cost(
    "requests of a view process",
    1_522,
    "/s",
    "`/api/progress` on 2 cores shared with Postgres (`bench/results/http.md`)",
)
COSTS: Final = (
    WORKER_TIME,
    POSTGRES_TIME,
    COMPLETION,
    DAY_ROW,
    LEARNER,
    WAL,
    WAL_AT_MOST,
    RECORD,
    PAGES,
    VIEW_RATE,
)
