"""Streaks never fall: one more active or excused day lowers nothing. All small cases are tried."""

from __future__ import annotations

import datetime as dt
from itertools import product
from operator import le

import pytest

from progress_worker.domain.days import Days
from progress_worker.domain.streak_reading import read_daily, read_weekly
from progress_worker.domain.streaks import StreakPolicy, Streaks
from progress_worker.domain.weeks import days_needed
from tests.naive import runs
from tests.naive_streaks import naive_daily, naive_verdict, naive_weekly

#: A Monday.
START = dt.date(2026, 3, 2)
DAYS = 8
MASKS = 2**DAYS
#: Offsets of the days to read on: the last of the days, and later ones.
READ_ON = (7, 8, 10)
POLICIES = [(0, 1), (1, 1), (1, 3), (2, 2), (2, 3), (3, 5)]
VERDICTS = ("broken", "skipped", "met")


def offsets(mask: int) -> set[int]:
    return {offset for offset in range(DAYS) if mask >> offset & 1}


def days_of(some: set[int]) -> Days:
    return Days(runs(START + dt.timedelta(days=offset) for offset in some))


def figures(streaks: Streaks, policy: StreakPolicy, today: dt.date) -> tuple[int, ...]:
    """What must not fall; a day that can save the streak comes before none."""
    reading = read_daily(streaks, policy, today)
    credit = streaks.daily(policy).credit_on(today.toordinal()) if reading.current else 0
    expires = (reading.expires_on - START).days + 1 if reading.expires_on else 0
    return reading.current, reading.longest, credit, reading.freezes_left, expires


def falls(table: bytes, bits: int) -> tuple[int, list[tuple[int, int]]]:
    """Compares every index of the table with those that have one more bit set.

    Returns how many comparisons it made, and the pairs whose second value is less.
    """
    compared, fallen = 0, list[tuple[int, int]]()
    for bit in range(bits):
        lower, upper, block = bytearray(), bytearray(), 1 << bit
        for start in range(0, 2**bits, 2 * block):
            lower += table[start : start + block]
            upper += table[start + block : start + 2 * block]
        holds = list(map(le, lower, upper))
        compared += len(holds)
        if not all(holds):
            without = [index for index in range(2**bits) if not index & block]
            fallen += [
                (index, index | block)
                for index, held in zip(without, holds, strict=True)
                if not held
            ]
    return compared, fallen


def test_a_fall_would_be_found() -> None:
    assert falls(bytes([0, 1, 1, 0]), 2) == (4, [(2, 3), (1, 3)])


@pytest.mark.parametrize(("cap", "earn_every"), POLICIES)
def test_one_more_day_lowers_nothing(cap: int, earn_every: int) -> None:
    policy = StreakPolicy(cap, earn_every)
    subsets = [days_of(offsets(mask)) for mask in range(MASKS)]
    # Active days are excused in vain, as the test after this one shows for every pair.
    pairs = [(active, excused & ~active) for active, excused in product(range(MASKS), repeat=2)]
    learners = {pair: Streaks(subsets[pair[0]], subsets[pair[1]]) for pair in set(pairs)}
    compared = 0
    for offset in READ_ON:
        today = START + dt.timedelta(days=offset)
        found = {pair: figures(streaks, policy, today) for pair, streaks in learners.items()}
        rows = [found[pair] for pair in pairs]
        for name, column in zip(
            ("current", "longest", "credit", "freezes", "expires"),
            zip(*rows, strict=True),
            strict=True,
        ):
            count, fallen = falls(bytes(column), 2 * DAYS)
            assert not fallen, (name, offset, fallen[:5])
            compared += count
    # Days to read on, figures, bits, and half of the table for each bit.
    assert compared == 3 * 5 * 16 * 2**15 == 7_864_320


@pytest.mark.parametrize(("cap", "earn_every"), POLICIES)
def test_every_pair_of_six_days_agrees_with_the_walk(cap: int, earn_every: int) -> None:
    policy, start, compared = StreakPolicy(cap, earn_every), START.toordinal(), 0
    for active, excused, offset in product(range(64), range(64), (5, 6, 9)):
        streaks = Streaks(days_of(offsets(active)), days_of(offsets(excused)))
        naive = naive_daily(offsets(active), offsets(excused), cap, earn_every, offset)
        today = START + dt.timedelta(days=offset)
        assert figures(streaks, policy, today)[:4] == (
            naive.current,
            naive.longest,
            naive.credit,
            naive.credit // earn_every,
        )
        if naive.first is not None:
            assert streaks.daily(policy).first == start + naive.first
        compared += 1
    assert compared == 12_288


@pytest.mark.parametrize("week_days", range(1, 8))
def test_one_more_day_lowers_no_weeks_verdict(week_days: int) -> None:
    policy = StreakPolicy(week_days=week_days)
    ranks = bytearray()
    subsets = [days_of(offsets(mask)) for mask in range(128)]
    for excused, active in product(range(128), range(128)):
        on, off = offsets(active), offsets(excused) - offsets(active)
        expected = naive_verdict(len(on), len(off), week_days)
        reading = read_weekly(Streaks(subsets[active], subsets[excused]), policy, START)
        verdict = "skipped" if reading.skipped else "met" if reading.met else "broken"
        assert verdict == expected
        assert (reading.active_days, reading.current) == (len(on), int(reading.met))
        assert reading.needed == days_needed(week_days, len(off))
        ranks.append(VERDICTS.index(verdict))
    assert falls(bytes(ranks), 14) == (14 * 2**13, [])


def test_a_better_week_lowers_no_weekly_streak() -> None:
    """All sequences of verdicts of seven weeks, the last of which is not over."""
    length, compared = 7, 0
    found = {}
    for verdicts in product(range(3), repeat=length):
        names = [VERDICTS[verdict] for verdict in verdicts]
        found[verdicts] = weekly(names)
        assert found[verdicts] == naive_weekly(names)
    for verdicts, before in found.items():
        for at, verdict in enumerate(verdicts):
            if verdict < 2:
                after = found[(*verdicts[:at], verdict + 1, *verdicts[at + 1 :])]
                assert after[0] >= before[0]
                assert after[1] >= before[1]
                compared += 1
    assert (len(found), compared) == (3**7, 7 * 2 * 3**6)


def weekly(verdicts: list[str]) -> tuple[int, int]:
    """Current and longest streak of weeks that come to these verdicts."""
    policy, active, excused = StreakPolicy(week_days=2), set[dt.date](), set[dt.date]()
    for week, verdict in enumerate(verdicts):
        first = START + dt.timedelta(weeks=week)
        if verdict == "met":
            active |= {first, first + dt.timedelta(days=6)}
        elif verdict == "skipped":
            excused |= {first + dt.timedelta(days=offset) for offset in range(7)}
    streaks = Streaks(Days(runs(active)), Days(runs(excused)))
    reading = read_weekly(streaks, policy, START + dt.timedelta(weeks=len(verdicts) - 1))
    return reading.current, reading.longest
