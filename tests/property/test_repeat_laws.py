"""The laws of achievements that repeat, and of those that can be lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml
from hypothesis import given

from progress_worker.domain.compare import compare
from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import replacement
from progress_worker.domain.rulebook import read_rule_book
from tests.folding import Rows, Store, derive, of, stored
from tests.histories import completion, cuts, fresh_histories, histories
from tests.naive import counting
from tests.naive_book import Occurrence, naive_achievements, naive_unlocked
from tests.naive_rules import naive_occurrences
from tests.naive_travel import NaivePolicy

WRITTEN: dict[str, dict[str, Any]] = yaml.safe_load("""
every_second: {repeat: each_multiple, rule: {exercises_completed: {at_least: 2}}}
every_hour_on_hard:
  {repeat: each_multiple, rule: {time_spent: {seconds: 600, difficulty: hard}}}
every_new_one: {repeat: each_multiple, rule: {exercises_completed: {at_least: 1, distinct: true}}}
each_week: {repeat: each_week, rule: {exercises_completed: {at_least: 2}}}
each_busy_week: {repeat: each_week, rule: {time_spent: {seconds: 1201, max_hints: 1}}}
after_a_week: {requires: [each_week], rule: {exercises_completed: {at_least: 3}}}
lose_count: {revocation: withdraw, rule: {exercises_completed: {at_least: 3}}}
lose_streak: {revocation: withdraw, rule: {streak: {days: 3}}}
lose_weeks: {revocation: withdraw, rule: {streak: {weeks: 1}}}
lose_best_day: {revocation: withdraw, rule: {exercises_completed: {at_least: 2, within: day}}}
lose_best_week: {revocation: withdraw, rule: {time_spent: {seconds: 1800, within: week}}}
lose_distinct: {revocation: withdraw, rule: {exercises_completed: {at_least: 2, distinct: true}}}
lose_multiples:
  {revocation: withdraw, repeat: each_multiple, rule: {exercises_completed: {at_least: 2}}}
lose_each_week:
  {revocation: withdraw, repeat: each_week, rule: {exercises_completed: {at_least: 2}}}
lose_all:
  revocation: withdraw
  rule: {all: [{distinct_topics: {at_least: 2}}, {active_days: {at_least: 2}}]}
""")
#: Lost with what they require, against the order of the book.
CHAIN: dict[str, dict[str, Any]] = yaml.safe_load("""
lose_third: {revocation: withdraw, requires: [lose_second], rule: {active_days: {at_least: 1}}}
lose_second:
  {revocation: withdraw, requires: [lose_count, lose_each_week],
   rule: {exercises_completed: {at_least: 1}}}
""")
POLICY = NaivePolicy(1, 2, 2, 2, frozenset())


def entry(name: str, asked: dict[str, Any]) -> dict[str, Any]:
    texts = {"name": name, "description": "D", "category": "c", "icon": "i"}
    return {"id": name, **texts, "tier": "gold", "points": 1, **asked}


BOOK = read_rule_book(
    yaml.safe_dump(
        {
            "version": 4,
            "streak": {
                "freezes": {"cap": 1, "earn_every": 2},
                "week": {"starts_on": "wed", "days": 2},
            },
            "achievements": [entry(*each) for each in (CHAIN | WRITTEN).items()],
        }
    )
)
ACHIEVEMENTS = naive_achievements(
    {"achievements": [entry(*each) for each in (CHAIN | WRITTEN).items()]}
)


def holding(done: list[Completion]) -> dict[Occurrence, tuple[int, int]]:
    """Every occurrence that holds, whatever it requires; of required ones with their own rule."""
    return {
        (each.id, number): found
        for each in ACHIEVEMENTS.values()
        for number, found in naive_occurrences(each.rule, each.repeat, done, POLICY).items()
    }


def stored_unlocks(rows: Rows) -> Counter[Occurrence]:
    return Counter((unlock.achievement.id, unlock.occurrence) for unlock in rows.unlocks)


@given(histories(), cuts())
def test_an_occurrence_comes_and_goes_with_the_event_that_decides(
    arrivals: list[Completion], lengths: list[int]
) -> None:
    """Whatever the batches; each time an unlock is earned again it has the next generation."""
    store = stored(BOOK, arrivals, lengths)
    have: dict[str, set[Occurrence]] = {}
    lost: Counter[tuple[str, Occurrence]] = Counter()
    for position, (arrival, effects) in enumerate(zip(arrivals, store.effects, strict=True)):
        user_id = arrival.user_id
        held = holding(counting(of(user_id, arrivals[: position + 1])))
        before = have.get(user_id, set())
        after = have[user_id] = naive_unlocked(ACHIEVEMENTS, held, before)
        gone = {(x.achievement.id, x.occurrence): x for x in effects.losses}
        come = {(x.achievement.id, x.occurrence): x for x in effects.unlocks}
        assert (set(gone), set(come)) == (before - after, after - before)
        assert (len(gone), len(come)) == (len(effects.losses), len(effects.unlocks))
        for each, loss in gone.items():
            lost[user_id, each] += 1
            assert loss.generation == lost[user_id, each]
            assert loss.reason == ("revoked" if arrival.revoked else "revised")
        for each, unlock in come.items():
            assert unlock.generation == lost[user_id, each] + 1
            assert unlock.trigger is arrival
            own = unlock.progress.parts[0] if each[0] in CHAIN else unlock.progress
            if "all" not in (CHAIN | WRITTEN)[each[0]]["rule"]:
                assert (own.current, own.target) == held[each]
        order = [loss.achievement.id for loss in effects.losses]
        for dependent, required in (("lose_third", "lose_second"), ("lose_second", "lose_count")):
            if dependent in order and required in order:
                assert order.index(dependent) < order.index(required)
    for user_id, rows in store.learners.items():
        assert stored_unlocks(rows) == Counter(have[user_id])


@given(histories(), cuts())
def test_what_is_stored_is_what_is_derived(arrivals: list[Completion], lengths: list[int]) -> None:
    store = stored(BOOK, arrivals, lengths)
    for user_id, rows in store.learners.items():
        whole = store.loaded(user_id)
        done = sorted(rows.completions.values(), key=lambda c: (c.completed_at, c.event_id))
        derived = derive(BOOK, whole, done)
        assert list(compare(whole, derived)) == []
        assert replacement(whole, derived)[1] == []


@given(fresh_histories(), cuts(), cuts())
def test_without_revisions_no_order_loses_anything_or_gains_anything_else(
    arrivals: list[Completion], lengths: list[int], others: list[int]
) -> None:
    one = stored(BOOK, arrivals, lengths)
    other = stored(BOOK, sorted(arrivals, key=lambda c: c.completed_at, reverse=True), others)
    assert not [loss for store in (one, other) for each in store.effects for loss in each.losses]
    ada, again = one.learners["ada"], other.learners["ada"]
    assert stored_unlocks(ada) == stored_unlocks(again)
    assert stored_unlocks(ada) == Counter(
        naive_unlocked(ACHIEVEMENTS, holding(counting(arrivals)), ())
    )
    assert (ada.buckets, ada.counters) == (again.buckets, again.counters)


@given(histories())
def test_a_lost_unlock_is_noticed_by_the_walk(arrivals: list[Completion]) -> None:
    """A rule that asks for more takes the unlocks away that it does not grant any more."""
    store = stored(BOOK, arrivals)
    harder = {
        name: asked | {"rule": {"exercises_completed": {"at_least": 5}}}
        if name == "lose_count"
        else asked
        for name, asked in (CHAIN | WRITTEN).items()
    }
    content = BOOK.content.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    book = read_rule_book(
        yaml.safe_dump(
            content | {"version": 5, "achievements": [entry(*each) for each in harder.items()]}
        )
    )
    store.activate(book)
    for user_id, rows in store.learners.items():
        before = stored_unlocks(rows)
        store.move(user_id)
        done = counting(rows.completions.values())
        gone = before - stored_unlocks(rows)
        assert ("lose_count", 1) not in stored_unlocks(rows) or len(done) >= 5
        assert {name for name, _ in gone} <= {"lose_count", "lose_second", "lose_third"}
        assert all(rows.lost[name] >= 1 for name, _ in gone)
        whole = store.loaded(user_id)
        ordered = sorted(rows.completions.values(), key=lambda c: (c.completed_at, c.event_id))
        assert list(compare(whole, derive(book, whole, ordered))) == []


def test_no_more_than_a_hundred_multiples() -> None:
    many = 205
    done = [completion(n, exercise_id=str(n)) for n in range(many)]
    store = Store(BOOK)
    store.apply(done)
    counts = Counter(unlock.achievement.id for unlock in store.learners["ada"].unlocks)
    assert counts["every_second"] == 100
    assert counts["every_new_one"] == 100
