"""The reconciler knows what an excuse may change by coming early or late, and nothing else."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from progress_worker.domain.excuses import Excuse
from tests.harness.chains import Chain
from tests.harness.fair import fair_rule_book
from tests.harness.interleaved import Interleaved
from tests.harness.published import Told, told_of
from tests.harness.truth import read_rules
from tests.histories import MIDNIGHT, completion

RULES = read_rules(fair_rule_book())
FOUR_DAYS, SIX_DAYS = ("four_days", 1), ("six_days_now", 1)
FIRST = MIDNIGHT.date()
DONE = [
    completion(day, completed_at=MIDNIGHT + dt.timedelta(days=day, hours=12))
    for day in (1, 2, 3, 6)
]


def excused(revision: int, *, revoked: bool = False) -> Excuse:
    fifth = FIRST + dt.timedelta(days=5)
    return Excuse("ada", UUID(int=1), revision, revoked, MIDNIGHT, "repair", fifth, fifth)


def four_days(event: int, *, backdated: bool, value: int = 4) -> Chain:
    (done,) = (one for one in DONE if one.event_id == UUID(int=event))
    return RULES.book.unlock(Chain(), FOUR_DAYS, done, (value, 4), backdated=backdated)


def may(judge: Interleaved, chain: Chain, name: tuple[str, int] = FOUR_DAYS) -> bool:
    """Whether that chain is possible where exactly that is published."""
    return judge.like(name, told_of([chain])) == chain


def test_an_excuse_may_come_first_or_last() -> None:
    judge = Interleaved(DONE, RULES, [excused(0)])
    assert not may(judge, Chain())
    for backdated in (False, True):
        assert may(judge, four_days(6, backdated=backdated))
        assert not may(judge, four_days(3, backdated=backdated))
        assert not may(judge, four_days(6, backdated=backdated, value=5))


def test_without_the_excuse_nothing_is_unlocked() -> None:
    judge = Interleaved(DONE, RULES, [])
    assert may(judge, Chain())
    assert not may(judge, four_days(6, backdated=False))


def test_an_excuse_that_is_taken_back_may_have_unlocked() -> None:
    judge = Interleaved(DONE, RULES, [excused(0), excused(1, revoked=True)])
    assert may(judge, Chain())
    assert may(judge, four_days(6, backdated=False))
    assert may(judge, four_days(6, backdated=True))


def test_a_late_completion_may_be_the_trigger_or_the_last_in_order_of_work() -> None:
    """Day 3 arrives last: it unlocks itself, or an excuse behind it names day 6."""
    judge = Interleaved([*DONE[:2], DONE[3], DONE[2]], RULES, [excused(0)])
    assert may(judge, four_days(3, backdated=False))
    assert may(judge, four_days(6, backdated=True))
    assert not may(judge, four_days(6, backdated=False))
    assert not may(judge, four_days(3, backdated=True))


def test_what_an_excuse_gave_is_lost_with_it_and_comes_again() -> None:
    """Where the events come before the last excuse, there are two generations, or there is one."""
    days = [
        completion(day, completed_at=MIDNIGHT + dt.timedelta(days=day, hours=12))
        for day in (1, 2, 3, 4, 7, 8)
    ]
    given, taken, again = (
        excuse._replace(first_day=FIRST + dt.timedelta(days=5), last_day=FIRST + dt.timedelta(6))
        for excuse in (excused(0), excused(1, revoked=True), excused(2))
    )
    judge = Interleaved(days, RULES, [given, taken, again])
    book = RULES.book
    once = book.unlock(Chain(), SIX_DAYS, days[-1], (6, 6))
    late = book.unlock(Chain(), SIX_DAYS, days[-1], (6, 6), backdated=True)
    for first in (once, late):
        assert may(judge, first, SIX_DAYS)
        lost = first.lose(revoked=True, rule_version=book.version)
        assert not may(judge, lost, SIX_DAYS)
        assert may(judge, book.unlock(lost, SIX_DAYS, days[-1], (6, 6), backdated=True), SIX_DAYS)
        assert not may(judge, book.unlock(lost, SIX_DAYS, days[-1], (6, 6)), SIX_DAYS)
    assert not may(judge, Chain(), SIX_DAYS)
    judge = Interleaved(days, RULES, [given, taken])
    assert may(judge, once.lose(revoked=True, rule_version=book.version), SIX_DAYS)
    assert not may(judge, once.lose(revoked=False, rule_version=book.version), SIX_DAYS)
    assert not may(judge, once, SIX_DAYS)
    assert may(judge, Chain(), SIX_DAYS)


def test_rules_without_streaks_are_as_they_are() -> None:
    judge = Interleaved(DONE, RULES, [excused(0)])
    first = RULES.book.unlock(Chain(), ("first_step", 1), DONE[0], (1, 1))
    assert not may(judge, first, ("first_step", 1))
    assert judge.like(("first_step", 1), Told()) is None
