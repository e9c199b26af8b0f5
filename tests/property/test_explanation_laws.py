"""What an explanation says is what a count from all completions gives."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.explain import Explanation, Page
from progress_worker.domain.explained_tree import Node
from tests import every_rule
from tests.every_rule import THRESHOLDS, WRITTEN
from tests.explaining import counted, explained
from tests.folding import Store, stored
from tests.histories import completion, cuts, histories
from tests.naive import counting, days_of, most_weeks
from tests.naive_rules import iso_week, naive_counted, naive_occurrences
from tests.property import test_repeat_laws as repeats


def own_rule(found: Explanation) -> list[Node]:
    """The nodes of the rule itself, without what the achievement requires."""
    return [node for node in found.root.each() if node.rule is not None]


def agree(found: Explanation, expected: list[Any], done: list[Any]) -> None:
    """The tree and the digest say what the naive model says."""
    nodes = own_rule(found)
    assert [(node.progress.current, node.progress.target) for node in nodes] == [
        measured for measured, _ in expected
    ]
    for (value, target), node in zip([m for m, _ in expected], nodes, strict=True):
        assert (node.holds, node.missing) == (value >= target, max(0, target - value))
    by_node = counted(found)
    assert [by_node[node.number] for node in nodes] == [events for _, events in expected]
    events = set[Any]().union(*(events for _, events in expected))
    lines = sorted(f"{c.event_id}:{c.revision}\n" for c in done if c.event_id in events)
    assert found.count == len(lines)
    assert found.digest() == hashlib.sha256("".join(lines).encode()).hexdigest()
    order = [each.position for each in found.completions]
    assert order == sorted(order, reverse=True)
    assert found.complete


@given(histories(), cuts(), st.integers(0, len(WRITTEN) - 1))
def test_every_rule(arrivals: list[Any], lengths: list[int], position: int) -> None:
    store = stored(every_rule.BOOK, arrivals, lengths)
    for user_id, rows in store.learners.items():
        done = counting(rows.completions.values())
        found = explained(store, user_id, f"rule_{position}")
        expected = naive_counted(WRITTEN[position], None, None, done, THRESHOLDS, every_rule.POLICY)
        agree(found, expected, done)
        held = {unlock.achievement.id for unlock in rows.unlocks}
        required = [node for node in found.root.each() if node.requires]
        assert [node.requires for node in required] == every_rule.requires(position)
        assert all(node.holds == (node.requires in held) for node in required)
        holds = expected[0][0][0] >= expected[0][0][1]
        assert found.root.holds == (holds and {*every_rule.requires(position)} <= held)


@pytest.mark.parametrize("position", range(len(WRITTEN)))
def test_each_rule_on_one_history(position: int) -> None:
    """No rule is left to chance."""
    done = [
        completion(
            n,
            exercise_id=str(n % 3),
            topic=("algorithms", "databases", "networking")[n % 3],
            difficulty=("hard", "easy")[n % 2],
            grade_hundredths=(90_00, None, 59_00)[n % 3],
            hints_used=n % 2,
            completed_at=completion().completed_at.replace(day=1 + n % 28, hour=n % 24),
        )
        for n in range(60)
    ]
    store = Store(every_rule.BOOK)
    store.apply(done)
    found = explained(store, "ada", f"rule_{position}")
    rule = WRITTEN[position]
    agree(found, naive_counted(rule, None, None, done, THRESHOLDS, every_rule.POLICY), done)


@given(histories(), cuts(), st.sampled_from([*repeats.WRITTEN]))
def test_every_occurrence(arrivals: list[Any], lengths: list[int], name: str) -> None:
    store = stored(repeats.BOOK, arrivals, lengths)
    asked = repeats.WRITTEN[name]
    rule, repeat = asked["rule"], asked.get("repeat")
    for user_id, rows in store.learners.items():
        done = counting(rows.completions.values())
        holding = naive_occurrences(rule, repeat, done, repeats.POLICY)
        some = {1, 2, 100} if repeat == "each_multiple" else {1}
        if repeat == "each_week":
            some = {iso_week(c, repeats.POLICY) for c in done} | {202601}
        for occurrence in (None, *some, *holding):
            found = explained(store, user_id, name, occurrence)
            expected = naive_counted(rule, repeat, occurrence, done, policy=repeats.POLICY)
            agree(found, expected, done)
            if occurrence is not None and not asked.get("requires"):
                assert found.root.holds == (occurrence in holding)


@given(histories(), st.integers(1, 4))
def test_pages_are_all_that_counted(arrivals: list[Any], limit: int) -> None:
    store = stored(every_rule.BOOK, arrivals)
    whole = explained(store, "ada", "rule_22") if "ada" in store.learners else None
    if whole is None:
        return
    pages, before = [], None
    while True:
        page = explained(store, "ada", "rule_22", page=Page(limit, before))
        assert (page.count, page.digest()) == (whole.count, whole.digest())
        pages += page.completions
        if not page.has_more:
            break
        assert len(page.completions) == limit
        before = page.completions[-1].position
    assert pages == whole.completions


def test_the_digest_of_many() -> None:
    """Event ids in no order, more than are sorted at once."""
    done = [completion(n * 7_919 % 10_007, exercise_id=str(n)) for n in range(1, 3_500)]
    store = Store(every_rule.BOOK)
    store.apply(done)
    found = explained(store, "ada", "rule_0")
    agree(found, naive_counted(WRITTEN[0], None, None, done), done)


STREAKS = {10: "days", 11: "days", 17: "weeks", 18: "weeks"}


@given(histories(), cuts(), st.sampled_from([*STREAKS]))
def test_the_days_of_a_streak_make_the_streak(
    arrivals: list[Any], lengths: list[int], position: int
) -> None:
    store = stored(every_rule.BOOK, arrivals, lengths)
    policy = every_rule.POLICY
    for user_id, rows in store.learners.items():
        found = explained(store, user_id, f"rule_{position}")
        value = found.root.progress.current
        alike = found.days.get(0, [])
        statuses = {
            each.first_day + dt.timedelta(days=n): each.status
            for each in alike
            for n in range((each.last_day - each.first_day).days + 1)
        }
        lived, excused = days_of(counting(rows.completions.values()), policy)
        active = {day.toordinal() for day, status in statuses.items() if status == "active"}
        assert active <= lived
        assert bool(active) == bool(value)
        if not active:
            continue
        if STREAKS[position] == "days":
            assert (len(active), "missed" in statuses.values()) == (value, False)
            assert {min(statuses), max(statuses)} <= {dt.date.fromordinal(day) for day in active}
        else:
            weeks = policy.week_starts_on, policy.week_days
            assert most_weeks(frozenset(active), excused, *weeks) == value
