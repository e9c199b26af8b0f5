"""Sets of days: joining, splitting, counting."""

from __future__ import annotations

import datetime as dt
from itertools import product

import pytest

from progress_worker.domain.days import Days, Run, count_days, nth_day_outside, union


def days(*numbers: int) -> Days:
    """Days of March 2026."""
    some = Days()
    for number in numbers:
        some.add(march(number))
    return some


def march(day: int) -> dt.date:
    return dt.date(2026, 3, day)


def subset(mask: int) -> set[int]:
    """The days 1 to 8 whose bit is set."""
    return {day for day in range(1, 9) if mask >> day - 1 & 1}


def runs_of(members: set[int]) -> list[Run]:
    some = Days()
    for ordinal in members:
        some.add(dt.date.fromordinal(ordinal))
    return some.runs


def test_a_late_day_joins_two_runs() -> None:
    some = days(1, 2, 4, 5, 6)
    assert len(some.runs) == 2
    assert some.add(march(3))
    assert len(some.runs) == 1
    assert list(some) == [march(day) for day in range(1, 7)]


def test_a_day_counts_once() -> None:
    some = days(1, 2)
    assert not some.add(march(2))
    assert some == days(1, 2)
    assert len(some) == 2


def test_taking_a_day_out_splits_its_run() -> None:
    some = days(1, 2, 3, 4, 5)
    assert some.remove(march(2))
    assert some == days(1, 3, 4, 5)


def test_taking_out_a_day_that_is_not_in_changes_nothing() -> None:
    some = days(1, 3)
    assert not some.remove(march(2))
    assert not some.remove(march(9))
    assert some == days(1, 3)


def test_taking_out_the_only_day_leaves_nothing() -> None:
    some = days(1)
    assert some.remove(march(1))
    assert some == Days()
    assert some.last_day is None


def test_runs_go_across_months_and_leap_days() -> None:
    some = Days()
    for day in (dt.date(2028, 2, 28), dt.date(2028, 3, 1), dt.date(2028, 2, 29)):
        some.add(day)
    assert len(some.runs) == 1
    assert some.last_day == dt.date(2028, 3, 1)
    assert list(some)[1] == dt.date(2028, 2, 29)


def test_the_calendar_ends_without_an_overflow() -> None:
    some = Days()
    some.add(dt.date.max)
    some.add(dt.date.min)
    assert list(some) == [dt.date.min, dt.date.max]
    assert dt.date.max in some


@pytest.mark.parametrize("runs", [[(5, 4)], [(1, 2), (3, 4)], [(1, 5), (4, 9)], [(7, 8), (1, 2)]])
def test_runs_that_are_none_are_refused(runs: list[Run]) -> None:
    with pytest.raises(ValueError, match=r"^(the run|runs) "):
        Days(runs)


@pytest.mark.parametrize(
    ("sets", "joined"),
    [
        ([], []),
        ([[], []], []),
        ([[(1, 2), (5, 6)], [(3, 4)]], [(1, 6)]),
        ([[(1, 9)], [(2, 3)], [(5, 5)]], [(1, 9)]),
        ([[(5, 7)], [(1, 2), (6, 9)]], [(1, 2), (5, 9)]),
        ([[(5, 6), (1, 3), (2, 4)]], [(1, 6)]),
    ],
    ids=["nothing", "empty sets", "adjacent", "within", "overlapping", "one set out of order"],
)
def test_a_union_joins_what_overlaps_or_touches(sets: list[list[Run]], joined: list[Run]) -> None:
    assert union(*sets) == joined


def test_a_union_holds_the_days_of_its_sets() -> None:
    for one, other in product(range(0, 256, 3), range(0, 256, 5)):
        both = subset(one) | subset(other)
        assert union(runs_of(subset(one)), runs_of(subset(other))) == runs_of(both)


def test_days_are_counted_within_an_interval() -> None:
    for mask, first, last in product(range(256), range(10), range(10)):
        expected = len(subset(mask) & set(range(first, last + 1)))
        assert count_days(runs_of(subset(mask)), first, last) == expected


def test_days_outside_the_runs_are_found_in_order() -> None:
    for mask, after in product(range(256), range(10)):
        outside = [day for day in range(after + 1, 20) if day not in subset(mask)]
        found = [nth_day_outside(runs_of(subset(mask)), after, nth) for nth in range(1, 5)]
        assert found == outside[:4]
