"""Filters by clock and calendar: their bounds, their mistakes, and what looks like a slip."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml

from progress_worker.domain.completion import Completion
from progress_worker.domain.filters import filter_of
from progress_worker.domain.reducer import apply
from progress_worker.domain.rule_kinds import ExercisesCompleted, TimeSpent
from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError
from progress_worker.domain.suspicions import suspicions
from tests.histories import completion

DESCRIBED = "id: a, name: N, description: D, category: c, tier: gold, points: 1, icon: i, goal: G"


def book_of(kind: str, filters: str) -> RuleBook:
    target = "seconds" if kind == "time_spent" else "at_least"
    rule = f"{{{kind}: {{{target}: 1, {filters}}}}}"
    return read_rule_book(f"version: 1\nachievements:\n- {{{DESCRIBED}, rule: {rule}}}")


def matches(filters: str, done: Completion) -> bool:
    book = book_of("exercises_completed", filters)
    return bool(apply(book, book.new_learner("ada"), done, None).unlocks)


def at(clock: str, offset: int | None = 60, timezone: str | None = None) -> Completion:
    shown = dt.datetime.fromisoformat(f"2026-03-28T{clock}+00:00")
    return completion(
        completed_at=shown - dt.timedelta(minutes=offset or 0),
        utc_offset_minutes=offset,
        timezone=timezone,
        local_day=dt.date(2026, 3, 28),
    )


@pytest.mark.parametrize(
    ("between", "inside", "outside"),
    [
        ("05:00-09:00", ["05:00", "08:59:59.999999"], ["04:59:59.999999", "09:00", "23:00"]),
        ("22:00-06:00", ["22:00", "23:59", "00:00", "05:59"], ["06:00", "21:59:59", "12:00"]),
        ("00:00-00:01", ["00:00:59"], ["00:01", "23:59"]),
        ("23:00-00:00", ["23:00", "23:59:59"], ["00:00", "22:59"]),
    ],
)
@pytest.mark.parametrize("offset", [0, 60, -600, 345, 840])
def test_a_time_of_day_is_that_of_the_learners_clock(
    between: str, inside: list[str], outside: list[str], offset: int
) -> None:
    for clock in inside + outside:
        assert matches(f"between: {between}", at(clock, offset)) == (clock in inside), clock


def test_an_old_completion_has_a_time_of_day_where_its_zone_says_it() -> None:
    berlin = at("08:30", None, "Europe/Berlin")  # 09:30 there
    assert matches("between: 09:00-10:00", berlin)
    assert not matches("between: 08:00-09:00", berlin)
    for unknown in (at("08:30", None), at("08:30", None, "Mars/Olympus")):
        assert not matches("between: 00:00-23:59", unknown)
        assert not matches("between: 23:59-00:00", unknown)
        assert matches("weekdays: [sat]", unknown)


@pytest.mark.parametrize(
    ("filters", "days"),
    [
        ("weekdays: [sat, sun]", ["2026-03-28", "2026-03-29", "2024-02-10"]),
        ("from: 2026-03-29", ["2026-03-29", "2026-03-30"]),
        ("until: 2026-03-29", ["2026-03-28", "2026-03-29", "2024-02-10", "2024-02-29"]),
        ("from: 2026-03-29, until: 2026-03-29", ["2026-03-29"]),
        ("on: 03-29", ["2026-03-29"]),
        ("on: 02-29", ["2024-02-29"]),
        ("on: 03-30, weekdays: [mon]", ["2026-03-30"]),
        ("on: 03-30, weekdays: [tue]", []),
    ],
)
def test_days_are_the_learners_local_days(filters: str, days: list[str]) -> None:
    every = ["2026-03-28", "2026-03-29", "2026-03-30", "2024-02-10", "2024-02-29"]
    found = [
        day for day in every if matches(filters, completion(local_day=dt.date.fromisoformat(day)))
    ]
    assert found == sorted(days, key=every.index)


def test_seconds_are_taken_out_again() -> None:
    book = book_of("time_spent", "between: 05:00-09:00, difficulty: medium")
    state, (key,) = book.new_learner("ada"), book.counters.zero()
    first = at("05:00")._replace(time_spent_seconds=70)
    apply(book, state, first, None)
    assert state.counters == {key: 70}
    longer = first._replace(revision=1, time_spent_seconds=80)
    apply(book, state, longer, first)
    assert state.counters == {key: 80}
    later = longer._replace(revision=2, completed_at=longer.completed_at + dt.timedelta(hours=9))
    apply(book, state, later, longer)
    assert state.counters == {key: 0}


def test_the_keys_under_which_learners_are_counted_stay() -> None:
    """Stored counts are found by them."""
    old = ExercisesCompleted(at_least=1, topic="a,b", difficulty="hard", min_grade=60, max_hints=1)
    found = filter_of(old, 0)
    assert found is not None
    assert found.key == "difficulty=hard,min_grade=60.0,max_hints=1,topic=a,b"
    new = yaml.safe_load("{at_least: 1, weekdays: [sun, sat], from: 2026-01-01, topic: a}")
    counted = filter_of(ExercisesCompleted.model_validate(new), 0)
    assert counted is not None
    assert counted.key == "weekdays=sat+sun,from=2026-01-01,topic=a"
    summed = filter_of(TimeSpent(seconds=1, difficulty="hard"), 0, sums_time=True)
    assert summed is not None
    assert summed.key == "time_spent,difficulty=hard"
    for asked, starts_on, key in (
        ("{at_least: 1, within: week}", 0, "within=week"),
        ("{at_least: 1, within: week}", 6, "within=week+sun"),
        ("{at_least: 1, within: month, topic: a}", 6, "within=month,topic=a"),
        ("{at_least: 1, distinct: true, max_hints: 0}", 6, "distinct=exercises,max_hints=0"),
    ):
        bucketed = filter_of(ExercisesCompleted.model_validate(yaml.safe_load(asked)), starts_on)
        assert bucketed is not None
        assert bucketed.key == key
    assert filter_of(TimeSpent(seconds=1, topic="a"), 0, sums_time=True) is None


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ("between: 5-9", "between (a): write two times of day like 05:00-09:00; midnight is"),
        ("between: 05:00-24:00", "between (a): write two times of day like 05:00-09:00; midnight"),
        ("between: 05:00-05:00", "between (a): the two times are equal"),
        ("weekdays: []", "weekdays (a): Tuple should have at least 1 item"),
        ("weekdays: [sat, sat]", "weekdays (a): 'sat' stands twice"),
        ("weekdays: [saturday]", "weekdays.0 (a): Input should be 'mon', 'tue'"),
        ("from: 2026-03-02, until: 2026-03-01", "(a): `from` lies after `until`"),
        ("from: soon", "from (a): Input should be a valid date"),
        ("on: 02-30", "on (a): write a month and a day that the calendar has, like 12-24"),
        ("on: 2-3", "on (a): write a month and a day that the calendar has"),
        ("on: 12-24, on: 12-25", "the key 'on' stands twice"),
        ("max_seconds: -1", "max_seconds (a): Input should be greater than or equal to 0"),
        ("min_grade: 59.999", "(a): grades have two decimals"),
        ("within: year", "within (a): Input should be 'day', 'week' or 'month'"),
    ],
)
@pytest.mark.parametrize("kind", ["exercises_completed", "time_spent"])
def test_a_wrong_filter_is_refused_in_one_sentence(kind: str, filters: str, sentence: str) -> None:
    with pytest.raises(RuleBookError) as caught:
        book_of(kind, filters)
    assert len(caught.value.sentences) == 1
    assert sentence in caught.value.sentences[0]


@pytest.mark.parametrize(
    ("filters", "sentences"),
    [
        ("max_seconds: 86399, weekdays: [mon], on: 02-29", []),
        ("max_seconds: 86400", ["a: `max_seconds` excludes nothing: an event has at most 86400."]),
        (
            "weekdays: [sun, mon, tue, wed, thu, fri, sat]",
            ["a: `weekdays` excludes nothing: it names all seven."],
        ),
        (
            "from: 2026-12-01, until: 2026-12-31, on: 11-30",
            ["a: no day meets `from`, `until`, `weekdays` and `on` together."],
        ),
        ("until: 1999-12-30", ["a: no day meets `from`, `until`, `weekdays` and `on` together."]),
    ],
)
@pytest.mark.parametrize("kind", ["exercises_completed", "time_spent"])
def test_a_filter_that_looks_like_a_slip_is_named(
    kind: str, filters: str, sentences: list[str]
) -> None:
    assert list(suspicions(book_of(kind, filters))) == sentences


@pytest.mark.parametrize(
    ("kind", "filters", "format_"),
    [
        ("exercises_completed", "difficulty: hard, min_grade: 60, max_hints: 0, topic: a", 1),
        ("time_spent", "topic: a", 1),
        ("time_spent", "max_hints: 0", 4),
        ("exercises_completed", "from: 2026-01-01", 4),
        ("exercises_completed", "on: null", 4),
    ],
)
def test_filters_that_are_new_need_a_newer_release(kind: str, filters: str, format_: int) -> None:
    assert book_of(kind, filters).content.format == format_ + (format_ == 1)  # it has a goal
