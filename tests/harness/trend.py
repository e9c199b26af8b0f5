"""Whether something grows: the straight line through its samples, and its error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import linear_regression
from typing import NamedTuple


class Trend(NamedTuple):
    """A slope by least squares, and its standard error."""

    slope: float
    error: float

    def exceeds(self, limit: float) -> bool:
        """Whether the slope is larger than the limit, by two standard errors."""
        return self.slope - 2 * self.error > limit


def trend(samples: Sequence[tuple[float, float]]) -> Trend:
    """The trend of points (x, y); at least three."""
    xs, ys = zip(*samples, strict=True)
    slope, intercept = linear_regression(xs, ys)
    rest = sum((y - intercept - slope * x) ** 2 for x, y in samples)
    mean = sum(xs) / len(xs)
    spread = sum((x - mean) ** 2 for x in xs)
    return Trend(slope, math.sqrt(rest / (len(xs) - 2) / spread))
