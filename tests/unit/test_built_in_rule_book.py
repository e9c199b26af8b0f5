"""The built-in rule book: what is in it can be earned, is translated, and keeps its meaning."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Unlock, apply
from progress_worker.domain.rulebook import RuleBook, built_in_text, read_rule_book
from progress_worker.domain.suspicions import suspicions
from progress_worker.domain.vocabulary import Difficulty
from tests.folding import stored
from tests.histories import completion, histories

BOOK: Final = read_rule_book(built_in_text())
_VERSION_2: Final = Path(__file__).parents[1] / "frozen" / "rulebook-2.yaml"
BEFORE: Final = read_rule_book(_VERSION_2.read_text("utf-8"))
SHARED: Final = [each.id for each in BEFORE.achievements]
TOPICS: Final = ("algorithms", "databases", "networking", "statistics", "graphs", "logic")
FIRST_DAY: Final = dt.date(2027, 12, 30)
DIFFICULTIES: Final[Sequence[Difficulty]] = ("easy", "medium", "hard")


def test_nothing_looks_like_a_slip() -> None:
    assert list(suspicions(BOOK)) == []


def test_nothing_misses_a_translation() -> None:
    assert BOOK.languages == ("en", "de")
    for each, german in zip(BOOK.achievements, BOOK.texts("de").values(), strict=True):
        for part, default in each.texts("en")._asdict().items():
            assert default, each.id
            assert getattr(german, part) != default, each.id


def test_what_the_book_before_had_is_there_and_means_the_same() -> None:
    now = {each.id: each for each in BOOK.achievements}
    for each in BEFORE.achievements:
        kept = now[each.id]
        same = ("name", "description", "goal", "category", "tier", "points", "icon", "rule")
        for part in (*same, "hidden", "requires", "status", "repeat", "revocation"):
            assert getattr(kept, part) == getattr(each, part), each.id


@settings(max_examples=60, deadline=None)
@given(histories())
def test_the_book_before_unlocks_the_same(arrivals: list[Completion]) -> None:
    """Each unlock by the same completion, of what both books have."""
    # Each arrival again on other days and of other exercises: enough to come by more than a few.
    many = [
        arrival._replace(
            event_id=completion(100 * n + arrival.event_id.int).event_id,
            local_day=arrival.local_day + dt.timedelta(days=n),
        )
        for n in range(16)
        for arrival in arrivals
    ]
    assert _shared(BOOK, many) == _shared(BEFORE, many)


def _shared(book: RuleBook, arrivals: Sequence[Completion]) -> list[tuple[str, str, int]]:
    unlocks = [
        unlock for each in stored(book, arrivals, (7, 50)).effects for unlock in each.unlocks
    ]
    return [
        (unlock.user_id, unlock.achievement.id, unlock.trigger.event_id.int)
        for unlock in unlocks
        if unlock.achievement.id in SHARED
    ]


@pytest.fixture(scope="module")
def earned() -> list[Unlock]:
    """What a learner unlocks in two diligent years."""
    state = BOOK.new_learner("ada")
    return [unlock for done in a_life() for unlock in apply(BOOK, state, done, None).unlocks]


def a_life() -> Iterator[Completion]:
    """Three exercises a day: early, late, and one for which the time of day does not matter."""
    for day in range(2 * 366):
        for nth, hour in enumerate((6, 14, 23)):
            number = 3 * day + nth
            yield completion(
                number,
                topic=TOPICS[number % len(TOPICS)],
                difficulty=DIFFICULTIES[day % 3],
                grade_hundredths=100_00 if nth else 85_00,
                hints_used=0,
                time_spent_seconds=100 if nth == 1 else 900,
                completed_at=dt.datetime.combine(FIRST_DAY, dt.time(hour), dt.UTC)
                + dt.timedelta(days=day),
            )


def test_everything_can_be_earned(earned: list[Unlock]) -> None:
    missing = {each.id for each in BOOK.achievements} - {each.achievement.id for each in earned}
    assert missing == set()


def test_what_repeats_can_be_earned_again(earned: list[Unlock]) -> None:
    again = {each.achievement.id for each in earned if each.occurrence > 1}
    assert again == {each.id for each in BOOK.achievements if each.repeat}
    assert again == {"perfect_week", "day_and_night"}
