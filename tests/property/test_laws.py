"""The laws of the rules: order, repetition and batches change nothing; nothing is ever lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.compare import compare
from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import replacement
from progress_worker.domain.reducer import Outcome
from progress_worker.domain.state import LearnerState, SkillLevel
from progress_worker.domain.totals import Totals
from tests.every_rule import BOOK, POLICY, REQUIRES, THRESHOLDS, WRITTEN
from tests.folding import derive, latest, of, stored
from tests.histories import TOPICS, cuts, histories
from tests.naive import Sums, counting, naive_progress
from tests.naive_rules import measured


def sums(totals: Totals) -> Sums:
    return Sums(
        totals.completions,
        totals.graded,
        totals.grade_hundredths,
        totals.time_spent_seconds,
        totals.hints_used,
        totals.passed,
    )


def assert_is_naive(state: LearnerState, arrivals: Sequence[Completion]) -> None:
    """The state equals a new count of everything; sums of zero may be left in it."""
    naive = naive_progress(arrivals, THRESHOLDS, POLICY)
    assert sums(state.overall) == naive.overall
    totals = {tuple(cell): sums(t) for cell, t in state.totals.items() if t != Totals()}
    assert totals == naive.totals
    days = {
        (day, *cell): sums(t)
        for day, cells in state.days.items()
        for cell, t in cells.items()
        if t != Totals()
    }
    assert days == naive.days
    assert list(state.active_days) == naive.active_days
    assert set(state.streaks.travelled) == naive.travel_days
    assert state.streaks.longest_days(BOOK.streak_policy) == naive.longest_streak
    assert state.streaks.longest_weeks(BOOK.streak_policy) == naive.longest_weeks
    for topic in TOPICS:
        assert state.level(topic).level == naive.levels.get(topic, "beginner")
    assert (state.zone, state.offset, state.day_start) == (
        naive.zone,
        naive.offset,
        naive.day_start,
    )


def assert_measures_are_naive(state: LearnerState, arrivals: Sequence[Completion]) -> None:
    """Every rule says how far it is, and that it holds exactly when its target is reached."""
    done = counting(arrivals)
    # Entries that nobody can unlock come after these.
    judged = BOOK.conditions[: len(WRITTEN)]
    for position, (rule, (_, condition)) in enumerate(zip(WRITTEN, judged, strict=True)):
        current, target = measured(rule, done, THRESHOLDS, POLICY)
        required = REQUIRES.get(position, ())
        held = [each for each in required if f"rule_{each}" in state.unlocked]
        if current >= target and len(held) < len(required):
            current, target = len(held), len(required)
        progress = condition.progress(state)
        assert (progress.current, progress.target) == (current, target), rule
        assert condition.holds(state) == (current >= target), rule
        assert (progress.percent == 100) == condition.holds(state), rule
        assert 0 <= progress.percent <= 100


@given(histories(), cuts())
def test_progress_is_that_of_the_highest_revisions(
    arrivals: list[Completion], lengths: list[int]
) -> None:
    store = stored(BOOK, arrivals, lengths)
    for user_id in store.learners:
        state = store.loaded(user_id)
        assert_is_naive(state, of(user_id, arrivals))
        assert_measures_are_naive(state, of(user_id, arrivals))


@given(histories(), st.randoms(use_true_random=False), cuts(), cuts())
def test_order_repetition_and_batches_change_no_progress(
    arrivals: list[Completion], random: Any, lengths: list[int], others: list[int]
) -> None:
    shuffled = arrivals + random.choices(arrivals, k=len(arrivals) // 2)
    random.shuffle(shuffled)
    one, other = stored(BOOK, arrivals, lengths), stored(BOOK, shuffled, others)
    assert one.learners.keys() == other.learners.keys()
    for user_id, rows in one.learners.items():
        after = other.learners[user_id]
        assert rows.runs == after.runs
        assert rows.travelled == after.travelled
        assert (rows.zone, rows.offset, rows.day_start) == (
            after.zone,
            after.offset,
            after.day_start,
        )
        assert rows.counters == after.counters
        assert rows.completions == after.completions
        for stored_sums in (rows.totals, after.totals, rows.days, after.days):
            assert all(t.completions >= 0 for t in stored_sums.values())
        assert without_zeros(rows.totals) == without_zeros(after.totals)
        assert without_zeros(rows.days) == without_zeros(after.days)


def without_zeros(stored_sums: dict[Any, Totals]) -> dict[Any, Totals]:
    return {key: totals for key, totals in stored_sums.items() if totals != Totals()}


@given(histories(), cuts(), cuts())
def test_batches_change_nothing_at_all(
    arrivals: list[Completion], lengths: list[int], others: list[int]
) -> None:
    """Neither what is stored, nor what is published, nor its order."""
    one, other = stored(BOOK, arrivals, lengths), stored(BOOK, arrivals, others)
    assert one.effects == other.effects
    assert one.learners == other.learners


@given(histories(), cuts())
def test_a_repeated_stream_changes_nothing(arrivals: list[Completion], lengths: list[int]) -> None:
    store = stored(BOOK, arrivals, lengths)
    before = {user_id: store.loaded(user_id) for user_id in store.learners}
    told = len(store.effects)
    store.apply(arrivals)
    assert {effects.outcome for effects in store.effects[told:]} == {Outcome.DUPLICATE}
    assert {user_id: store.loaded(user_id) for user_id in store.learners} == before


@given(histories())
def test_level_changes_lead_from_one_level_to_the_next(arrivals: list[Completion]) -> None:
    """They form a chain that ends at the present level."""
    store = stored(BOOK, arrivals)
    at: dict[tuple[str, str], str] = {}
    for arrival, effects in zip(arrivals, store.effects, strict=True):
        for change in effects.level_changes:
            key = (change.user_id, change.topic)
            assert change.previous_level == at.get(key, "beginner") != change.level
            assert change.triggering_event_id == arrival.event_id
            assert change.changed_at == arrival.completed_at
            at[key] = change.level
    for user_id, rows in store.learners.items():
        for topic, skill in rows.levels.items():
            assert skill.level == at[user_id, topic]


@given(histories(), st.sampled_from([3, 7]), cuts())
def test_of_equal_revisions_the_first_one_counts(
    arrivals: list[Completion], every: int, lengths: list[int]
) -> None:
    liars = [c._replace(grade_hundredths=1, time_spent_seconds=7) for c in arrivals[::every]]
    for mixed in (arrivals + liars, liars + arrivals):
        store = stored(BOOK, mixed, lengths)
        for user_id in store.learners:
            assert_is_naive(store.loaded(user_id), of(user_id, mixed))


@given(histories(), cuts())
def test_deriving_equals_folding(arrivals: list[Completion], lengths: list[int]) -> None:
    store = stored(BOOK, arrivals, lengths)
    for user_id, rows in store.learners.items():
        oldest_first = sorted(rows.completions.values(), key=lambda c: (c.completed_at, c.event_id))
        folded = store.loaded(user_id)
        derived = derive(BOOK, folded, oldest_first)
        assert_is_naive(derived.state, of(user_id, arrivals))
        assert derived.state.zone == latest(oldest_first, lambda c: c.timezone)
        assert list(compare(folded, derived)) == []
        state, unlocks = replacement(folded, derived)
        assert unlocks == []  # whatever holds now held when the last event was folded in
        assert state.unlocked == folded.unlocked
        assert state.levels == folded.levels
        assert (state.dirty.totals, state.dirty.days, state.dirty.levels) == ({}, {}, {})


@given(histories(), cuts(), st.data())
def test_whatever_is_stored_wrongly_is_found_and_replaced(
    arrivals: list[Completion], lengths: list[int], data: st.DataObject
) -> None:
    store = stored(BOOK, arrivals, lengths)
    user_id = data.draw(st.sampled_from(sorted(store.learners)))
    done = sorted(
        store.learners[user_id].completions.values(), key=lambda c: (c.completed_at, c.event_id)
    )
    right, wrong = store.loaded(user_id), store.loaded(user_id)
    damage = data.draw(st.sampled_from(sorted(DAMAGES)))
    DAMAGES[damage](wrong)
    differences = list(compare(wrong, derive(BOOK, wrong, done)))
    assert {difference.part for difference in differences} == {damage}
    assert {difference.user_id for difference in differences} == {user_id}
    state, _ = replacement(wrong, derive(BOOK, wrong, done))
    assert list(compare(state, derive(BOOK, state, done))) == []
    assert sums(state.overall) == sums(right.overall)
    marked = (state.dirty.totals, state.dirty.days, state.dirty.levels)
    assert [bool(marks) for marks in marked] == [
        damage == part for part in ("total", "day", "level")
    ]


def _lose_a_day(state: LearnerState) -> None:
    state.active_days.add(dt.date(1999, 1, 1))


def _move(state: LearnerState) -> None:
    state.zone = (dt.datetime(1999, 1, 1, tzinfo=dt.UTC), UUID(int=0), "Asia/Tokyo")


_NAMED = (dt.datetime(1999, 1, 1, tzinfo=dt.UTC), UUID(int=0), 7)
DAMAGES: dict[str, Callable[[LearnerState], object]] = {
    "travelled days": lambda state: state.streaks.travelled.add(dt.date(1999, 1, 1)),
    "excused days": lambda state: state.streaks.excused.add(dt.date(1999, 1, 1)),
    "UTC offset": lambda state: setattr(state, "offset", _NAMED),
    "start of the day": lambda state: setattr(state, "day_start", _NAMED),
    "active days": _lose_a_day,
    "counter": lambda state: state.counters.update({"difficulty=hard": 77}),
    "day": lambda state: state.days.setdefault(dt.date(1999, 1, 1), {}).update(
        {("algorithms", "easy"): Totals(completions=1)}
    ),
    "level": lambda state: state.levels.update(
        {"nothing": SkillLevel("expert", "advanced", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))}
    ),
    "timezone": _move,
    "total": lambda state: state.totals.update({("nothing", "easy"): Totals(hints_used=1)}),
}
