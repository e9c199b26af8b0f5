"""The generator: exact, repeatable, and right about every record that it makes."""

from __future__ import annotations

import datetime as dt
import json
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable
from statistics import fmean
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from progress_worker.domain.streak_reading import read_daily
from progress_worker.domain.streaks import StreakPolicy, Streaks
from progress_worker.errors import PoisonError, Reason
from progress_worker.events.commands import StreakDaysExcused
from progress_worker.generator.excuses import grant_excuses
from progress_worker.generator.generator import GeneratedRecord, Kind, generate
from progress_worker.generator.learners import TOPICS, WINDOW_DAYS, ZONES
from progress_worker.ingest.decode import Decoder
from tests.naive_travel import travel_days

END = dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC)
WINDOW = dt.timedelta(days=WINDOW_DAYS, hours=1)  # an hour for a change of the clocks
NEW = (Kind.FRESH, Kind.LATE)


@pytest.fixture(scope="module")
def records() -> list[GeneratedRecord]:
    return list(generate(20_000, 7, 120, END))


@pytest.fixture(scope="module")
def completions(records: list[GeneratedRecord]) -> list[Completion]:
    """Each completion once, as it was first sent."""
    return [record.completion for record in records if record.completion and record.kind in NEW]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(max_value_bytes=65_536, max_future_seconds=0)


def test_the_same_seed_gives_the_same_records_and_another_does_not() -> None:
    assert list(generate(2_000, 1, 30, END)) == list(generate(2_000, 1, 30, END))
    assert list(generate(2_000, 1, 30, END)) != list(generate(2_000, 2, 30, END))


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 300),
    seed=st.integers(0, 2**32),
    learners=st.integers(1, 400),
    end=st.datetimes(dt.datetime(2001, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)),
    broken=st.floats(0, 0.4),
)
def test_any_arguments_give_exactly_the_count_within_the_window(
    count: int, seed: int, learners: int, end: dt.datetime, broken: float
) -> None:
    made = list(generate(count, seed, learners, end, broken_share=broken))
    assert len(made) == count
    check_kinds(made)
    for record in made:
        if record.completion:
            assert end - WINDOW <= record.completion.completed_at <= end
        assert (record.completion is None) == (record.reason is not None)


def check_kinds(records: Iterable[GeneratedRecord]) -> None:
    """Each record relates to the ones before it as its kind says."""
    said: dict[UUID, list[GeneratedRecord]] = defaultdict(list)
    for record in records:
        if record.completion is None:
            assert record.kind is Kind.BROKEN
            continue
        before = said[record.completion.event_id]
        if record.kind is Kind.REPEAT:
            assert any(record[:3] == earlier[:3] for earlier in before)
            continue
        assert record.completion.revision == len(before)
        assert record.completion.revoked == (record.kind is Kind.REVOCATION)
        assert (record.kind in NEW) == (not before)
        before.append(record)


def test_records_say_what_is_claimed(records: list[GeneratedRecord], decoder: Decoder) -> None:
    for record in records:
        if record.completion is not None:
            decoded = decoder.decode(record.key, record.value, record.headers, END)
            assert decoded.completion == record.completion


def test_broken_records_are_refused_for_the_reason_claimed(
    records: list[GeneratedRecord], decoder: Decoder
) -> None:
    broken = [record for record in records if record.kind is Kind.BROKEN]
    for record in broken:
        with pytest.raises(PoisonError) as refusal:
            decoder.decode(record.key, record.value, record.headers, END)
        assert refusal.value.reason is record.reason
    assert {record.reason for record in broken} == set(Reason) - {
        Reason.REJECTED_BY_DATABASE,
        Reason.BEYOND_RETENTION,
        Reason.NOT_FINISHED,  # of commands only
        Reason.ERASURE_NOT_CONFIGURED,
    }


def test_a_few_thousand_records_hold_every_kind_and_reason() -> None:
    made = list(generate(4_000, 3, 60, END))
    assert {record.kind for record in made} == set(Kind)
    assert {record.reason for record in made} - {None} == set(Reason) - {
        Reason.REJECTED_BY_DATABASE,
        Reason.BEYOND_RETENTION,
        Reason.NOT_FINISHED,
        Reason.ERASURE_NOT_CONFIGURED,
    }


def test_the_shares_are_those_asked_for(records: list[GeneratedRecord]) -> None:
    share = {kind: n / len(records) for kind, n in Counter(r.kind for r in records).items()}
    assert share[Kind.REPEAT] == pytest.approx(0.02, rel=0.25)
    assert share[Kind.LATE] == pytest.approx(0.01, rel=0.25)
    assert share[Kind.REVISION] + share[Kind.REVOCATION] == pytest.approx(0.01, rel=0.25)
    assert share[Kind.BROKEN] == pytest.approx(0.005, rel=0.35)


def test_nothing_but_fresh_records_when_so_asked() -> None:
    made = generate(
        2_000, 5, 30, END, repeat_share=0, late_share=0, revision_share=0, broken_share=0
    )
    assert {record.kind for record in made} == {Kind.FRESH}


def test_they_are_sent_as_they_happen_but_for_the_late_ones(
    records: list[GeneratedRecord],
) -> None:
    last = END - WINDOW
    for record in records:
        if record.kind is Kind.FRESH and record.completion:
            assert record.completion.completed_at + dt.timedelta(milliseconds=1) >= last
            last = max(last, record.completion.completed_at)
    late = [r.completion for r in records if r.kind is Kind.LATE and r.completion]
    assert late


def test_late_records_are_days_old_when_they_are_sent(records: list[GeneratedRecord]) -> None:
    now, ages = END - WINDOW, []
    for record in records:
        if record.completion and record.kind is Kind.FRESH:
            now = record.completion.completed_at
        elif record.completion and record.kind is Kind.LATE:
            ages.append(now - record.completion.completed_at)
    assert sum(age > dt.timedelta(hours=20) for age in ages) > 0.9 * len(ages)


def test_every_envelope_is_used_and_binary_mode_most(records: list[GeneratedRecord]) -> None:
    modes = Counter(
        {0: "bare", 1: "structured"}.get(len(record.headers), "binary") for record in records
    )
    assert set(modes) == {"bare", "structured", "binary"}
    assert modes["binary"] > len(records) * 0.7


def test_every_record_of_an_envelope_has_its_own_id(records: list[GeneratedRecord]) -> None:
    ids = [
        dict(record.headers)["ce_id"]
        for record in records
        if record.kind not in (Kind.REPEAT, Kind.BROKEN) and len(record.headers) > 1
    ]
    assert len(ids) == len(set(ids))


def test_zones_topics_and_days_are_mixed(completions: list[Completion]) -> None:
    assert {done.timezone for done in completions} == {*ZONES, None}
    assert {done.topic for done in completions} == set(TOPICS)
    off_by = {(done.local_day - done.completed_at.date()).days for done in completions}
    assert off_by == {-1, 0, 1}
    assert {done.difficulty for done in completions} == {"easy", "medium", "hard"}
    assert any(done.grade_hundredths is None for done in completions)
    assert any(done.hints_used for done in completions)


def test_learners_have_habits(completions: list[Completion]) -> None:
    learners: dict[str, Streaks] = defaultdict(Streaks)
    for done in completions:
        learners[done.user_id].add_active(done.local_day)
    read = [read_daily(each, StreakPolicy(), END.date()) for each in learners.values()]
    days = [each.active for each in learners.values()]
    assert max(streak.longest for streak in read) >= 60
    assert min(streak.longest for streak in read) <= 5
    assert any(len(active) > 10 and all(day.weekday() >= 5 for day in active) for active in days)
    assert any(
        len(active.runs) >= 4 and streak.longest >= 7
        for active, streak in zip(days, read, strict=True)
    )
    assert any(streak.current >= 30 for streak in read)
    assert any(not streak.current for streak in read)


def test_grades_improve(completions: list[Completion]) -> None:
    grades = [done.grade_hundredths for done in completions if done.grade_hundredths is not None]
    half = len(grades) // 2
    assert fmean(grades[half:]) > fmean(grades[:half]) + 2_00


def test_memory_grows_with_the_learners_only() -> None:
    peak_bytes(2_000)  # fills the caches that outlive a run
    assert peak_bytes(8_000) < 1.3 * peak_bytes(2_000)


def peak_bytes(count: int) -> int:
    tracemalloc.start()
    try:
        for _ in generate(count, 1, 20, END, broken_share=0):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_data_is_what_the_contract_shows(records: list[GeneratedRecord]) -> None:
    bare = next(r for r in records if not r.headers and r.completion and r.completion.timezone)
    assert set(json.loads(bare.value or b"")) == {
        "event_id",
        "user_id",
        "exercise_id",
        "topic",
        "difficulty",
        "grade",
        "time_spent_seconds",
        "hints_used",
        "completed_at",
        "timezone",
    }


@pytest.fixture(scope="module")
def travelling() -> list[GeneratedRecord]:
    return list(generate(8_000, 7, 120, END, traveller_share=0.5))


def test_travellers_say_what_is_claimed(
    travelling: list[GeneratedRecord], decoder: Decoder
) -> None:
    assert len(travelling) == 8_000
    check_kinds(travelling)
    for record in travelling:
        if record.completion is not None:
            decoded = decoder.decode(record.key, record.value, record.headers, END)
            assert decoded.completion == record.completion
            assert record.completion.completed_at <= END


def test_travellers_prove_it_and_start_their_days_at_other_hours(
    travelling: list[GeneratedRecord],
) -> None:
    done: dict[str, list[Completion]] = defaultdict(list)
    for record in travelling:
        if record.completion and record.kind in NEW:
            done[record.completion.user_id].append(record.completion)
    zones = [{completion.timezone for completion in each} for each in done.values()]
    assert sum(len(some) > 2 for some in zones) > 10
    assert sum(len(some) == 1 for some in zones) > 40
    assert sum(bool(travel_days(each)) for each in done.values()) >= 5
    hours = {completion.day_starts_at for each in done.values() for completion in each}
    assert hours == {None, 0, 4, 12, 20}


def test_whoever_travels_leaves_the_others_as_they_are(records: list[GeneratedRecord]) -> None:
    assert list(generate(20_000, 7, 120, END, traveller_share=0.0)) == records


def test_excuses_are_granted_for_missed_days(completions: list[Completion]) -> None:
    granted = list(grant_excuses(completions, 3))
    assert granted == list(grant_excuses(completions, 3))
    active: dict[str, set[dt.date]] = defaultdict(set)
    for done in completions:
        active[done.user_id].add(done.local_day)
    first = [each.excuse for each in granted if each.excuse.revision == 0]
    for excuse in first:
        length = (excuse.last_day - excuse.first_day).days + 1
        days = {excuse.first_day + dt.timedelta(days=day) for day in range(length)}
        assert not days & active[excuse.user_id]
        assert excuse.issued_at <= END
    share = len({excuse.user_id for excuse in first}) / len(active)
    assert share == pytest.approx(0.3, abs=0.15)
    assert {excuse.kind for excuse in first} == {"pause", "sick", "travel", "repair"}
    revised = [each.excuse for each in granted if each.excuse.revision]
    assert any(excuse.revoked for excuse in revised)
    assert any(not excuse.revoked for excuse in revised)
    assert len({(e.excuse.excuse_id, e.excuse.revision) for e in granted}) < len(granted)


def test_the_commands_of_excuses_say_what_is_claimed(completions: list[Completion]) -> None:
    for key, value, headers, excuse in grant_excuses(completions, 3):
        said = StreakDaysExcused.model_validate_json(value)
        assert key == excuse.user_id.encode()
        assert Excuse(**dict(said)) == excuse
        assert dict(headers)["ce_type"] == b"streak.days.excused.v1"


@pytest.mark.parametrize(
    ("learners", "end", "broken"),
    [(0, END, 0.0), (1, END.replace(tzinfo=None), 0.0), (1, END, 0.6)],
)
def test_impossible_arguments_are_refused(learners: int, end: dt.datetime, broken: float) -> None:
    with pytest.raises(ValueError, match=r"learner|half"):
        next(generate(10, 1, learners, end, broken_share=broken))
