"""The reconciler knows what an excuse may change by coming early or late, and nothing else."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import yaml

from progress_worker.domain.excuses import Excuse
from tests.harness.fair import fair_rule_book
from tests.harness.interleaved import Interleaved
from tests.harness.truth import Row
from tests.histories import MIDNIGHT, completion

CATALOGUE = yaml.safe_load(fair_rule_book())
VERSION = CATALOGUE["version"]
FIRST = MIDNIGHT.date()
DONE = [
    completion(day, completed_at=MIDNIGHT + dt.timedelta(days=day, hours=12))
    for day in (1, 2, 3, 6)
]


def excused(revision: int, *, revoked: bool = False) -> Excuse:
    fifth = FIRST + dt.timedelta(days=5)
    return Excuse("ada", UUID(int=1), revision, revoked, MIDNIGHT, "repair", fifth, fifth)


def four_days(event: int, *, backdated: bool, value: int = 4) -> Row:
    (done,) = (one for one in DONE if one.event_id == UUID(int=event))
    moment = done.completed_at, done.local_day, done.event_id
    return "ada", "four_days", *moment, VERSION, value, 4, backdated


def test_an_excuse_may_come_first_or_last() -> None:
    judge = Interleaved(DONE, CATALOGUE, [excused(0)])
    for backdated in (False, True):
        assert judge.due(four_days(6, backdated=backdated))
        assert judge.may(four_days(6, backdated=backdated))
        assert not judge.may(four_days(3, backdated=backdated))
        assert not judge.may(four_days(6, backdated=backdated, value=5))


def test_without_the_excuse_nothing_is_unlocked() -> None:
    judge = Interleaved(DONE, CATALOGUE, [])
    assert not judge.due(four_days(6, backdated=False))
    assert not judge.may(four_days(6, backdated=False))


def test_an_excuse_that_is_taken_back_may_have_unlocked() -> None:
    judge = Interleaved(DONE, CATALOGUE, [excused(0), excused(1, revoked=True)])
    assert not judge.due(four_days(6, backdated=False))
    assert judge.may(four_days(6, backdated=False))
    assert judge.may(four_days(6, backdated=True))


def test_a_late_completion_may_be_the_trigger_or_the_last_in_order_of_work() -> None:
    """Day 3 arrives last: it unlocks itself, or an excuse behind it names day 6."""
    judge = Interleaved([*DONE[:2], DONE[3], DONE[2]], CATALOGUE, [excused(0)])
    assert judge.may(four_days(3, backdated=False))
    assert judge.may(four_days(6, backdated=True))
    assert not judge.may(four_days(6, backdated=False))
    assert not judge.may(four_days(3, backdated=True))


def test_rules_without_streaks_are_as_they_are() -> None:
    judge = Interleaved(DONE, CATALOGUE, [excused(0)])
    first = ("ada", "first_step", *four_days(3, backdated=False)[2:])
    assert judge.due(first)
    assert not judge.may(first)
