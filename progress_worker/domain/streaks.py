"""Active days as runs of consecutive dates, and the streaks read from them."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise

#: A run of consecutive active days as ordinals, both ends included.
Run = tuple[int, int]


class ActiveDays:
    """A set of dates, kept as its runs in ascending order; days are proleptic ordinals."""

    __slots__ = ("_longest", "runs")

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self.runs: list[Run] = list(runs)
        self._longest: int | None = None
        for first, last in self.runs:
            if first > last:
                raise ValueError(f"the run {first}..{last} ends before it begins")
        for before, after in pairwise(self.runs):
            if before[1] + 1 >= after[0]:
                raise ValueError("runs must be ascending with a gap between them")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActiveDays) and self.runs == other.runs

    def __hash__(self) -> int:
        raise TypeError("ActiveDays is mutable")

    def __repr__(self) -> str:
        return f"ActiveDays({self.runs})"

    def __contains__(self, day: dt.date) -> bool:
        ordinal, runs = day.toordinal(), self.runs
        if not runs or ordinal > runs[-1][1]:  # true of most new days
            return False
        return self._run_of(ordinal) is not None

    def __iter__(self) -> Iterator[dt.date]:
        for first, last in self.runs:
            for ordinal in range(first, last + 1):
                yield dt.date.fromordinal(ordinal)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.runs)

    def add(self, day: dt.date) -> bool:
        """Make a day active; False when it already was. Joins the runs on both its sides."""
        ordinal, runs = day.toordinal(), self.runs
        if runs and ordinal >= runs[-1][0]:  # nearly always true
            first, last = runs[-1]
            if ordinal <= last:
                return False
            if ordinal == last + 1:
                runs[-1] = (first, ordinal)
                length = ordinal - first + 1
            else:
                runs.append((ordinal, ordinal))
                length = 1
        else:
            length = self._insert(ordinal)
        if self._longest is not None and length > self._longest:
            self._longest = length
        return length > 0

    def _insert(self, ordinal: int) -> int:
        """The length of the run that the day now lies in; 0 when it was active already."""
        at = bisect_right(self.runs, (ordinal, _LAST))
        first = last = ordinal
        start, stop = at, at
        if at > 0:
            before = self.runs[at - 1]
            if before[1] >= ordinal:
                return 0
            if before[1] == ordinal - 1:
                first, start = before[0], at - 1
        if at < len(self.runs) and self.runs[at][0] == ordinal + 1:
            last, stop = self.runs[at][1], at + 1
        self.runs[start:stop] = [(first, last)]
        return last - first + 1

    def remove(self, day: dt.date) -> bool:
        """Make a day idle; False when it already was. Splits the run it lay in."""
        ordinal = day.toordinal()
        at = self._run_of(ordinal)
        if at is None:
            return False
        first, last = self.runs[at]
        left = [(first, ordinal - 1)] if first < ordinal else []
        right = [(ordinal + 1, last)] if ordinal < last else []
        self.runs[at : at + 1] = left + right
        self._longest = None
        return True

    @property
    def longest(self) -> int:
        """The length of the longest run, in days."""
        if self._longest is None:
            self._longest = max((last - first + 1 for first, last in self.runs), default=0)
        return self._longest

    @property
    def last_day(self) -> dt.date | None:
        """The last active day."""
        return dt.date.fromordinal(self.runs[-1][1]) if self.runs else None

    def current(self, today: dt.date) -> int:
        """The length of the run that holds the last active day; 0 once that is before yesterday."""
        if not self.runs or self.runs[-1][1] < today.toordinal() - 1:
            return 0
        first, last = self.runs[-1]
        return last - first + 1

    def _run_of(self, ordinal: int) -> int | None:
        at = bisect_right(self.runs, (ordinal, _LAST)) - 1
        return at if at >= 0 and self.runs[at][1] >= ordinal else None


_LAST = dt.date.max.toordinal() + 1
