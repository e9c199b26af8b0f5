"""Sets of days, kept as runs of consecutive dates."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

#: A run of consecutive days as proleptic ordinals, both ends included.
Run: TypeAlias = tuple[int, int]


class Days:
    """A set of dates, kept as its runs in ascending order. Raises ValueError for other runs."""

    __slots__ = ("_count", "runs")

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self.runs: list[Run] = list(runs)
        for first, last in self.runs:
            if first > last:
                raise ValueError(f"the run {first}..{last} ends before it begins")
        for before, after in pairwise(self.runs):
            if before[1] + 1 >= after[0]:
                raise ValueError("runs must be ascending with a gap between them")
        #: A rule may ask for it after every new day, and runs can be many.
        self._count = sum([last - first + 1 for first, last in self.runs])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Days) and self.runs == other.runs

    def __hash__(self) -> int:
        raise TypeError("Days is mutable")

    def __repr__(self) -> str:
        return f"Days({self.runs})"

    def __contains__(self, day: dt.date) -> bool:
        return self.holds(day.toordinal())

    def holds(self, ordinal: int) -> bool:
        """Whether the day of that ordinal is in the set."""
        runs = self.runs
        if not runs or ordinal > runs[-1][1]:  # true of most new days
            return False
        return self._run_of(ordinal) is not None

    def __iter__(self) -> Iterator[dt.date]:
        for first, last in self.runs:
            for ordinal in range(first, last + 1):
                yield dt.date.fromordinal(ordinal)

    def __len__(self) -> int:
        return self._count

    def add(self, day: dt.date) -> bool:
        """Put a day in; False when it already was. Joins the runs on both its sides."""
        ordinal, runs = day.toordinal(), self.runs
        if not runs or ordinal < runs[-1][0]:  # hardly ever true
            return self._insert(ordinal)
        first, last = runs[-1]
        if ordinal <= last:
            return False
        self._count += 1
        if ordinal == last + 1:
            runs[-1] = (first, ordinal)
        else:
            runs.append((ordinal, ordinal))
        return True

    def _insert(self, ordinal: int) -> bool:
        at = bisect_right(self.runs, (ordinal, _LAST))
        first = last = ordinal
        start, stop = at, at
        if at > 0:
            before = self.runs[at - 1]
            if before[1] >= ordinal:
                return False
            if before[1] == ordinal - 1:
                first, start = before[0], at - 1
        if at < len(self.runs) and self.runs[at][0] == ordinal + 1:
            last, stop = self.runs[at][1], at + 1
        self.runs[start:stop] = [(first, last)]
        self._count += 1
        return True

    def remove(self, day: dt.date) -> bool:
        """Take a day out; False when it was not in. Splits the run it lay in."""
        ordinal = day.toordinal()
        at = self._run_of(ordinal)
        if at is None:
            return False
        first, last = self.runs[at]
        left = [(first, ordinal - 1)] if first < ordinal else []
        right = [(ordinal + 1, last)] if ordinal < last else []
        self.runs[at : at + 1] = left + right
        self._count -= 1
        return True

    @property
    def last_day(self) -> dt.date | None:
        """The last day of the set."""
        return dt.date.fromordinal(self.runs[-1][1]) if self.runs else None

    def _run_of(self, ordinal: int) -> int | None:
        at = bisect_right(self.runs, (ordinal, _LAST)) - 1
        return at if at >= 0 and self.runs[at][1] >= ordinal else None


def union(*sets: Sequence[Run]) -> list[Run]:
    """The runs of the days that are in any of the sets.

    The runs given may come in any order, overlap and touch.
    """
    joined: list[Run] = []
    for first, last in sorted([run for runs in sets for run in runs]):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def count_days(runs: Sequence[Run], first: int, last: int) -> int:
    """How many of the runs' days lie from `first` to `last`, both included.

    The runs are ascending with a gap between them.
    """
    return count_days_from(runs, _first_that_ends_from(runs, first), first, last)


def count_days_from(runs: Sequence[Run], at: int, first: int, last: int) -> int:
    """Like `count_days`, of the runs from index `at` on."""
    count = 0
    while at < len(runs):
        begin, end = runs[at]
        if begin > last:
            break
        count += max(0, min(end, last) - max(begin, first) + 1)
        at += 1
    return count


def skip_runs(runs: Sequence[Run], at: int, ordinal: int) -> int:
    """The index, not less than `at`, of the first run that ends on this day or later."""
    while at < len(runs) and runs[at][1] < ordinal:
        at += 1
    return at


def nth_day_outside(runs: Sequence[Run], after: int, nth: int) -> int:
    """The ordinal of the nth day (from 1) after the day `after` that lies in no run.

    The runs are ascending with a gap between them.
    """
    day = after + nth
    for at in range(_first_that_ends_from(runs, after + 1), len(runs)):
        begin, end = runs[at]
        if begin > day:
            break
        day += end - max(begin, after + 1) + 1
    return day


def _first_that_ends_from(runs: Sequence[Run], ordinal: int) -> int:
    """The index of the first run that ends on this day or later; their number without any."""
    at = bisect_right(runs, (ordinal, _LAST))
    return at - 1 if at > 0 and runs[at - 1][1] >= ordinal else at


_LAST = dt.date.max.toordinal() + 1
