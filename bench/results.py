"""The results of a benchmark: medians, and ratios within one run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.watch import Measurement


@dataclass(slots=True)
class Standing:
    """One contestant's measurements, or why it has none."""

    name: str
    title: str
    events: int
    measurements: list[Measurement] = field(default_factory=list)
    failure: str | None = None

    @property
    def rate(self) -> float | None:
        """The median of the events a second; None if it failed even once."""
        if self.failure is not None or not self.measurements:
            return None
        return median(measurement.rate for measurement in self.measurements)

    @property
    def rates(self) -> Sequence[float]:
        """The events a second of each run, in ascending order."""
        return sorted(measurement.rate for measurement in self.measurements)

    def median(self, value: Callable[[Measurement], float]) -> float:
        """The median of a value over the runs."""
        return median(value(measurement) for measurement in self.measurements)


#: Which contestants are compared, and the ratio that is the goal.
GOALS = (
    ("ours", "ceiling", 0.65),
    ("ours-2", "ceiling-2", 0.60),
    ("ours-stored", "ours", 0.85),
    ("ours", "quix", 5.0),
    ("ours", "orm", 80.0),
)


@dataclass(slots=True)
class Results:
    """Everything that a run of the benchmark measured."""

    measured_at: dt.datetime
    machine: dict[str, str]
    versions: dict[str, str]
    mean_bytes: float
    rounds: int
    standings: list[Standing]

    def ratio(self, name: str, other: str) -> float | None:
        """The rate of `name` divided by that of `other`; None unless both have one."""
        rates = {standing.name: standing.rate for standing in self.standings}
        first, second = rates.get(name), rates.get(other)
        return first / second if first and second else None

    def standing(self, name: str) -> Standing:
        """That contestant's standing; raises KeyError when it did not compete."""
        return {standing.name: standing for standing in self.standings}[name]

    def document(self) -> dict[str, Any]:
        """The results as a JSON document."""
        return {
            "measured_at": self.measured_at.isoformat(timespec="seconds"),
            "machine": self.machine,
            "versions": self.versions,
            "mean_bytes": round(self.mean_bytes),
            "rounds": self.rounds,
            "ratios": {f"{a}/{b}": self.ratio(a, b) for a, b, _ in GOALS},
            "contestants": [_document(standing) for standing in self.standings],
        }


def _document(standing: Standing) -> dict[str, Any]:
    return {
        "name": standing.name,
        "title": standing.title,
        "events": standing.events,
        "events_per_second": standing.rate,
        "failure": standing.failure,
        "runs": [
            asdict(measurement) | {"events_per_second": measurement.rate}
            for measurement in standing.measurements
        ],
    }
