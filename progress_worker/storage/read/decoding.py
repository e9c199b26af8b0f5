"""Decodes the rows that the HTTP view reads of one learner."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from progress_worker.domain.calendar import LocalClock, is_zone
from progress_worker.domain.preferences import Preference
from progress_worker.domain.state import Cell, LearnerState, SkillLevel
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.totals import Totals, sum_of
from progress_worker.storage import preferences
from progress_worker.storage.assembling import (
    DaysColumns,
    learner_state,
    levels_of,
    streaks_of,
    totals_of,
)
from progress_worker.storage.days import COLUMNS
from progress_worker.storage.read.rulebooks import ViewRuleBooks
from progress_worker.storage.read.views import (
    Held,
    HistoryView,
    LearnerView,
    PageView,
    PreferencesView,
    Stamp,
    StatisticsView,
    StoredRow,
    StreakView,
    TopicView,
)

#: Lines that are decoded in one go: long enough to be fast, and other threads run in between.
_PORTION: Final = 500
#: Characters that are decoded in one go.
_SHORT: Final = 50_000
_JSON: Final = msgspec.json.Decoder()

_View = TypeVar("_View")


def learner_view(user_id: str, row: Any, stamp: Stamp) -> LearnerView:
    """Decode a row of LEARNER; without one, the view of a learner never seen."""
    if row is None:
        return LearnerView(stamp, LearnerState(user_id), {})
    unlocks = _held(row.unlocks)
    state = learner_state(
        user_id,
        version=row.version,
        days=_days(row),
        counters=row.counters,
        totals=lines_of(row.totals),
        levels=_levels(row.levels),
        unlocked=unlocks,
    )
    return LearnerView(stamp, state, unlocks)


def _held(lines: str | None) -> dict[str, Held]:
    held: dict[str, Held] = {}
    for name, unlocked_at in lines_of(lines):
        at = dt.datetime.fromisoformat(unlocked_at)
        known = held.get(name)
        held[name] = (
            Held(at, at)
            if known is None
            else Held(min(known.first, at), max(known.last, at), known.times + 1)
        )
    return held


def topic_view(topic: str, row: Any, stamp: Stamp) -> TopicView:
    """Decode a row of TOPIC; without one, the view of a learner never seen."""
    if row is None:
        return TopicView(stamp, Totals(), SkillLevel())
    sums = sum_of(totals_of(lines_of(row.totals)).values())
    return TopicView(stamp, sums, levels_of(_levels(row.levels)).get(topic, SkillLevel()))


def page_view(user_id: str, row: Any, stamp: Stamp) -> PageView:
    """Decode a row of LEARNER_AND_DAYS; without one, the view of a learner never seen."""
    return PageView(learner_view(user_id, row, stamp), _day_totals(row and row.days))


def statistics_view(row: Any, stamp: Stamp) -> StatisticsView:
    """Decode a row of STATISTICS; without one, the view of a learner never seen."""
    days: defaultdict[dt.date, dict[Cell, Totals]] = defaultdict(dict)
    for day, topic, difficulty, *sums in lines_of(row and row.days):
        days[dt.date.fromisoformat(day)][topic, difficulty] = Totals(*sums)
    return StatisticsView(stamp, totals_of(lines_of(row and row.totals)), days)


def history_view(row: Any, stamp: Stamp) -> HistoryView:
    """Decode a row of HISTORY; without one, the view of a learner never seen."""
    if row is None:
        return HistoryView(stamp, Streaks(), Totals(), {}, [])
    return HistoryView(
        stamp,
        streaks_of(_days(row)),
        Totals(*_JSON.decode(row.before)),
        _day_totals(row.days),
        [(name, dt.date.fromisoformat(day)) for name, day in lines_of(row.unlocks)],
    )


def streak_view(row: Any, stamp: Stamp) -> StreakView:
    """Decode a row of STREAK; without one, the view of a learner never seen."""
    if row is None:
        return StreakView(stamp, Streaks())
    return StreakView(stamp, streaks_of(_days(row)), _preference(row), _day_totals(row.goal_days))


def preferences_view(row: Any, stamp: Stamp) -> PreferencesView:
    """Decode a row of PREFERENCES; without one, the view of a learner never seen."""
    return PreferencesView(stamp, None if row is None else _preference(row))


def _preference(row: Any) -> Preference | None:
    return preferences.read_preference(
        [getattr(row, f"preferred_{name}") for name in preferences.COLUMNS]
    )


async def stamp_of(books: ViewRuleBooks, row: Any) -> Stamp:
    """The stamp of a learner's row. Raises TransientError."""
    active = await books.of(None)
    if row is None:
        return Stamp(active, clock=LocalClock(starts=active.day_starts))
    known = is_zone_known(row)
    # The newest rule book says when days start, as for completions that arrive.
    clock = LocalClock(
        row.timezone if known else None,
        row.utc_offset_minutes,
        row.day_starts_at,
        active.day_starts,
    )
    book = await books.of(row.rule_book)
    return Stamp(book, row.version, clock, row.last_active_day, row.gamification or "on")


def is_zone_known(row: Any) -> bool:
    """Whether this release knows the learner's zone, or there is none."""
    return row.timezone is None or is_zone(row.timezone)


def stored_row(row: Any, stamp: Stamp, decode: Callable[[Stamp], _View]) -> StoredRow[_View]:
    """A row that `decode` decodes later, as in a thread; None for a learner never seen."""
    characters = sum(len(value) for value in row or () if isinstance(value, str | list))
    return StoredRow(stamp, characters, partial(decode, stamp))


def lines_of(text: str | None) -> Iterator[Any]:
    """The rows of a list that a statement gave as text, one JSON value per line."""
    if not text:
        return
    if len(text) < _SHORT:
        yield from _JSON.decode_lines(text)
        return
    lines = text.split("\n")
    for start in range(0, len(lines), _PORTION):
        yield from _JSON.decode_lines("\n".join(lines[start : start + _PORTION]))


def _days(row: Any) -> DaysColumns:
    return [getattr(row, name) for name in COLUMNS]


def _levels(text: str | None) -> Iterator[tuple[Any, ...]]:
    for topic, level, previous, updated_at in lines_of(text):
        yield topic, level, previous, dt.datetime.fromisoformat(updated_at)


def _day_totals(text: str | None) -> dict[dt.date, Totals]:
    return {dt.date.fromisoformat(day): Totals(*sums) for day, *sums in lines_of(text)}
