"""Laws of preferences: names have one form, and goals count what a walk day by day counts."""

from __future__ import annotations

import datetime as dt
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.goals import read_goal
from progress_worker.domain.preferences import (
    LONGEST_NAME,
    Boards,
    Goal,
    GoalMeasure,
    Preference,
    normal_name,
)
from progress_worker.domain.totals import Totals

DAY = dt.timedelta(days=1)
FIRST = dt.date(2026, 3, 1)  # a Sunday
NEAR = st.integers(-12, 25).map(lambda days: FIRST + DAY * days)
SUMS = st.builds(
    lambda count, seconds: Totals(completions=count, time_spent_seconds=seconds),
    st.integers(1, 3),
    st.integers(0, 200),
)
GOALS = st.builds(
    Goal,
    st.sampled_from(["exercises", "minutes", "active_days"]),
    st.integers(1, 9),
    st.none() | NEAR,
)


@given(st.text(max_size=60))
def test_a_name_is_refused_or_has_one_form(name: str) -> None:
    try:
        normal = normal_name(name)
    except ValueError:
        return
    assert normal_name(normal) == normal
    assert normal == unicodedata.normalize("NFC", normal) == normal.strip()
    assert 1 <= len(normal) <= LONGEST_NAME
    assert not {unicodedata.category(character) for character in normal} & {"Cc", "Cf", "Cs"}


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12))
def test_names_of_letters_and_digits_are_accepted_in_every_form(name: str) -> None:
    forms = {normal_name(unicodedata.normalize(form, name)) for form in ("NFC", "NFD")}
    assert forms == {unicodedata.normalize("NFC", name)}


@given(st.text(max_size=20), st.sampled_from("\u202e\u2066\u200b\u200d\ufeff\x00\x1b\x7f\u2028"))
def test_no_name_holds_what_cannot_be_seen(name: str, hidden: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        normal_name(f"a{name}{hidden}b")


@given(GOALS, NEAR, NEAR, st.integers(0, 6), st.dictionaries(NEAR, SUMS, max_size=20))
def test_a_goal_counts_the_days_of_its_window(
    goal: Goal, chosen_on: dt.date, today: dt.date, starts_on: int, days: dict[dt.date, Totals]
) -> None:
    read = read_goal(goal, chosen_on, today, starts_on, days)
    if goal.by is None:
        assert read.first.weekday() == starts_on
        assert read.first <= today <= read.last == read.first + 6 * DAY
    else:
        assert (read.first, read.last) == (min(chosen_on, goal.by), goal.by)
    counted, day = list[Totals](), read.first
    while day <= read.last:
        if day in days:
            counted.append(days[day])
        day += DAY
    naive: dict[GoalMeasure, int] = {
        "exercises": sum(totals.completions for totals in counted),
        "minutes": sum(totals.time_spent_seconds for totals in counted) // 60,
        "active_days": len(counted),
    }
    assert read.current == naive[goal.measure]


@pytest.mark.parametrize(
    ("boards", "name", "shown"),
    [
        ("anonymous", None, "anonymous"),
        ("anonymous", "Ada", "anonymous"),
        ("hidden", "Ada", "hidden"),
        ("named", "Ada", "named"),
        ("named", None, "anonymous"),
    ],
)
def test_nobody_is_named_without_a_name(boards: Boards, name: str | None, shown: str) -> None:
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert Preference(1, now, boards, name).shown_as == shown
