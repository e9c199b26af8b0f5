"""Streaks against a walk that looks at every day."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.days import Days, union
from progress_worker.domain.streak_reading import (
    consistency,
    day_statuses,
    expires_on,
    read_daily,
    read_weekly,
    streaks_by_day,
)
from progress_worker.domain.streaks import StreakPolicy, Streaks
from tests.naive import longest_streak, runs
from tests.naive_streaks import naive_daily, naive_expiry, naive_weekly, naive_weeks

START = dt.date(2026, 2, 20).toordinal()
SPAN = 45
ORDINALS = st.integers(START, START + SPAN)
#: Mostly whole stretches, so that there are streaks; excused weeks as well.
STRETCHES = st.lists(st.tuples(ORDINALS, st.integers(1, 9)), max_size=8).map(
    lambda some: {day for first, length in some for day in range(first, first + length)}
)


class Case(NamedTuple):
    active: set[int]
    adjusted: set[int]
    travelled: set[int]
    everybody: set[int]
    policy: StreakPolicy

    @property
    def excused(self) -> set[int]:
        return self.adjusted | self.travelled | self.everybody

    def streaks(self) -> Streaks:
        return Streaks(days(self.active), days(self.adjusted), days(self.travelled))


def date(ordinal: int) -> dt.date:
    return dt.date.fromordinal(ordinal)


def days(ordinals: set[int]) -> Days:
    return Days(runs(map(date, ordinals)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    everybody = draw(STRETCHES)
    policy = StreakPolicy(
        cap=draw(st.integers(0, 3)),
        earn_every=draw(st.integers(1, 5)),
        week_starts_on=draw(st.integers(0, 6)),
        week_days=draw(st.integers(1, 7)),
        excused=tuple(runs(map(date, everybody))),
    )
    return Case(draw(STRETCHES), draw(STRETCHES), draw(STRETCHES), everybody, policy)


TODAYS = st.integers(START - 3, START + SPAN + 20)


@given(cases(), TODAYS)
def test_a_daily_reading_agrees_with_the_walk(case: Case, today: int) -> None:
    cap, earn_every = case.policy.cap, case.policy.earn_every
    naive = naive_daily(case.active, case.excused, cap, earn_every, today)
    expiry = naive_expiry(case.active, case.excused, cap, earn_every, today)
    last = max(case.active, default=None)
    streaks = case.streaks()
    reading = read_daily(streaks, case.policy, date(today))
    assert (reading.current, reading.longest) == (naive.current, naive.longest)
    assert reading.freezes_left == naive.credit // earn_every
    assert reading.last_active_day == (None if last is None else date(last))
    assert reading.expires_on == (None if expiry is None else date(expiry))
    if naive.alive:
        assert last is not None
        assert naive.first is not None
        assert reading.calendar_days == last - naive.first + 1
        assert expires_on(streaks.daily(case.policy)) == reading.expires_on
    else:
        assert reading.calendar_days == 0
    assert reading.state == expected_state(case, today, naive.alive, expiry, len(naive.gap))
    if case.active and naive.gap:
        assert reading.repairable == (date(naive.gap[0]), date(naive.gap[-1]), len(naive.gap))
    else:
        assert reading.repairable is None


def expected_state(case: Case, today: int, alive: bool, expiry: int | None, missed: int) -> str:
    holds = {
        "none": not case.active,
        "active_today": max(case.active, default=0) >= today,
        "broken": not alive,
        "at_risk": expiry == today,
        "frozen": missed > 0,
        "safe": True,
    }
    return next(state for state, is_so in holds.items() if is_so)


@given(cases(), TODAYS)
def test_the_next_freeze_comes_with_that_many_active_days(case: Case, today: int) -> None:
    streaks, policy = case.streaks(), case.policy
    today = max([today, *case.active])
    reading = read_daily(streaks, policy, date(today))
    if reading.next_freeze_in is None:
        assert reading.freezes_left == policy.cap
        return
    first = today + (today in case.active)
    for day in range(first, first + reading.next_freeze_in):
        left = read_daily(streaks, policy, date(day)).freezes_left
        assert left == reading.freezes_left
        streaks.add_active(date(day))
    after = read_daily(streaks, policy, date(first + reading.next_freeze_in))
    assert after.freezes_left == reading.freezes_left + 1


@given(cases(), TODAYS)
def test_a_weekly_reading_agrees_with_the_walk(case: Case, today: int) -> None:
    policy = case.policy
    verdicts = naive_weeks(
        case.active, case.excused, policy.week_starts_on, policy.week_days, today
    )
    reading = read_weekly(case.streaks(), policy, date(today))
    assert (reading.current, reading.longest) == naive_weekly(verdicts)
    monday = today - (date(today).weekday() - policy.week_starts_on) % 7
    week = set(range(monday, monday + 7))
    assert reading.active_days == len(week & case.active)
    assert reading.skipped == (week <= case.excused - case.active)
    assert reading.week == date(monday + 3).strftime("%G-W%V")
    if case.active and today >= max(case.active):
        assert reading.met == (verdicts[-1] == "met")


@given(cases(), st.randoms(), TODAYS)
def test_any_order_of_days_folds_to_the_same(case: Case, random: Random, today: int) -> None:
    order = sorted(case.active)
    random.shuffle(order)
    streaks = Streaks()
    streaks.set_excused(days(case.adjusted))
    streaks.set_travelled(days(case.travelled))
    for day in order:
        assert streaks.add_active(date(day))
        streaks.longest_days(case.policy)
        streaks.longest_weeks(case.policy)
    agree(streaks, case, today)
    assert streaks == case.streaks()


@given(cases(), STRETCHES, TODAYS)
def test_days_that_come_and_go_leave_no_trace(case: Case, passing: set[int], today: int) -> None:
    streaks = case.streaks()
    for day in sorted(passing - case.active):
        streaks.longest_days(case.policy)
        streaks.longest_weeks(case.policy)
        assert streaks.add_active(date(day))
    for day in passing - case.active:
        assert streaks.remove_active(date(day))
        streaks.longest_days(case.policy)
        streaks.longest_weeks(case.policy)
    agree(streaks, case, today)


def agree(streaks: Streaks, case: Case, today: int) -> None:
    """The folds that were kept read as those from nothing."""
    fresh, day = case.streaks(), date(today)
    assert read_daily(streaks, case.policy, day) == read_daily(fresh, case.policy, day)
    assert read_weekly(streaks, case.policy, day) == read_weekly(fresh, case.policy, day)
    kept, new = streaks.daily(case.policy), fresh.daily(case.policy)
    assert (kept.first, kept.last, kept.credit) == (new.first, new.last, new.credit)


@given(cases(), TODAYS, ORDINALS, ORDINALS)
def test_days_have_the_status_that_the_walk_gives_them(
    case: Case, today: int, first: int, last: int
) -> None:
    naive = naive_daily(case.active, case.excused, case.policy.cap, case.policy.earn_every, today)
    expected: list[str | None] = []
    for day in range(first, last + 1):
        if day in case.active:
            expected.append("active")
        elif day in case.excused:
            expected.append("excused")
        elif day >= today:
            expected.append("future")
        elif day in naive.missed:
            expected.append("frozen" if naive.missed[day] else "missed")
        else:
            expected.append(None)
    assert (
        day_statuses(case.streaks(), case.policy, date(today), date(first), date(last)) == expected
    )


@given(cases())
def test_frozen_days_are_the_freezes_paid(case: Case) -> None:
    """With a meter that never fills up, what was earned is what is left and what was paid."""
    policy = case.policy._replace(cap=1000)
    today = max(case.active, default=START) + 2
    streaks = case.streaks()
    reading = read_daily(streaks, policy, date(today))
    streak = streaks.daily(policy)
    statuses = day_statuses(streaks, policy, date(today), date(streak.first or START), date(today))
    if reading.current:
        paid = statuses.count("frozen") * policy.earn_every
        assert streak.credit_on(today) == reading.current - paid
        assert "missed" not in statuses
        assert statuses.count("active") == reading.current
        excused = statuses[: reading.calendar_days].count("excused")
        frozen = statuses[: reading.calendar_days].count("frozen")
        assert reading.calendar_days == reading.current + excused + frozen


@given(cases(), ORDINALS, ORDINALS)
def test_streaks_by_day_are_those_that_would_have_been_read_then(
    case: Case, first: int, last: int
) -> None:
    expected = []
    for day in range(first, last + 1):
        then = {active for active in case.active if active <= day}
        naive = naive_daily(then, case.excused, case.policy.cap, case.policy.earn_every, day)
        expected.append((naive.current, naive.longest))
    found = streaks_by_day(case.streaks(), case.policy, date(first), date(last))
    assert list(found) == expected


@given(STRETCHES, TODAYS, ORDINALS, ORDINALS)
def test_without_freezes_and_excuses_everything_is_as_it_was(
    active: set[int], today: int, first: int, last: int
) -> None:
    streaks, policy = Streaks(days(active)), StreakPolicy()
    reading, on = read_daily(streaks, policy, date(today)), max(map(date, active), default=None)
    assert reading.current == former_current(active, today)
    assert reading.longest == longest_streak(map(date, active))
    assert reading.last_active_day == on
    assert (reading.state == "active_today") == (on is not None and on >= date(today))
    assert (reading.state == "at_risk") == (
        reading.current > 0 and on is not None and on < date(today)
    )
    assert reading.calendar_days == reading.current
    assert list(streaks_by_day(streaks, policy, date(first), date(last))) == [
        (former_current(then, day), longest_streak(map(date, then)))
        for day in range(first, last + 1)
        for then in [{each for each in active if each <= day}]
    ]


def former_current(active: set[int], today: int) -> int:
    """Counted backwards from the last active day, while that is not before yesterday."""
    last = max(active, default=today - 2)
    length = 0
    while last >= today - 1 and last - length in active:
        length += 1
    return length


@given(STRETCHES, TODAYS)
def test_consistency_looks_at_28_days(active: set[int], today: int) -> None:
    expected = len([day for day in active if today - 28 < day <= today])
    assert consistency(days(active), date(today)) == expected


@given(st.lists(STRETCHES, max_size=4))
def test_a_union_is_the_union_of_the_days(sets: list[set[int]]) -> None:
    joined = union(*[days(some).runs for some in sets])
    assert joined == days(set().union(*sets)).runs
    assert all(before[1] + 1 < after[0] for before, after in pairwise(joined))
