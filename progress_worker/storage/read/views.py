"""What the HTTP view reads of one learner, each in a single statement."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from sqlalchemy import ClauseElement

from progress_worker.domain.calendar import LocalClock, is_zone
from progress_worker.domain.preferences import Gamification, Preference
from progress_worker.domain.rulebook import RuleBook
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
from progress_worker.storage.read.connections import ReadConnections
from progress_worker.storage.read.rulebooks import ViewRuleBooks
from progress_worker.storage.read.statements import (
    HISTORY,
    LEARNER_AND_DAYS,
    LEARNER_STATE,
    PREFERENCES,
    READY,
    STAMP,
    STATISTICS,
    STREAK,
    TOPIC,
)

#: Lines that are decoded in one go: long enough to be fast, and other threads run in between.
_PORTION: Final = 500
#: Characters that are decoded in one go.
_SHORT: Final = 50_000
_JSON: Final = msgspec.json.Decoder()

_View = TypeVar("_View")


class Stamp(NamedTuple):
    """What a learner's answers depend on: every change raises the version.

    `book` is the rule book by which the learner is complete. Days are read by `clock`. It is UTC's
    if this release does not know the learner's zone. `gamification` is what the learner prefers.
    With `in_full`, nothing is left out because of it.
    """

    book: RuleBook
    version: int = 0
    clock: LocalClock = LocalClock()
    last_active_day: dt.date | None = None
    gamification: Gamification = "on"
    in_full: bool = False

    @property
    def shows_game(self) -> bool:
        """Whether to show badges, points and what urges."""
        return self.in_full or self.gamification != "off"


class Held(NamedTuple):
    """When an achievement was unlocked first and last, and how often."""

    first: dt.datetime
    last: dt.datetime
    times: int = 1


@dataclass(frozen=True, slots=True)
class LearnerView:
    """A learner's state, as the rules read it, and the achievements that are unlocked, by id."""

    stamp: Stamp
    state: LearnerState
    unlocks: dict[str, Held]


@dataclass(frozen=True, slots=True)
class PageView:
    """A learner's state, and sums per day of the window that was asked for, from one moment."""

    learner: LearnerView
    days: dict[dt.date, Totals]


@dataclass(frozen=True, slots=True)
class StatisticsView:
    """Sums over all days, and per day of the window that was asked for."""

    stamp: Stamp
    totals: dict[Cell, Totals]
    days: dict[dt.date, dict[Cell, Totals]]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """Sums per day of the window, the sums before it, and every unlock's local day."""

    stamp: Stamp
    streaks: Streaks
    before: Totals
    days: dict[dt.date, Totals]
    unlocks: list[tuple[str, dt.date]]


@dataclass(frozen=True, slots=True)
class StreakView:
    """The days that a learner's streaks are made of.

    And what the learner prefers, if anything was set, with sums per day that the goal may need.
    """

    stamp: Stamp
    streaks: Streaks
    preference: Preference | None = None
    goal_days: dict[dt.date, Totals] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreferencesView:
    """What a learner prefers; None if nothing was ever set."""

    stamp: Stamp
    preference: Preference | None


@dataclass(frozen=True, slots=True)
class TopicView:
    """The sums and the level of one topic."""

    stamp: Stamp
    totals: Totals
    level: SkillLevel


@dataclass(frozen=True, slots=True)
class StoredRow(Generic[_View]):
    """A learner's row as it was read. The more characters it has, the longer decoding takes."""

    stamp: Stamp
    characters: int
    decode: Callable[[], _View]


class ProgressReads:
    """The view's reads, one round trip each; they give answers for unknown learners too.

    Every method raises TransientError when Postgres does not answer in time. `unknown_zone` is
    called with the zone of a learner that was read, when this release does not know that zone.
    """

    def __init__(
        self,
        connections: ReadConnections,
        books: ViewRuleBooks,
        unknown_zone: Callable[[str], None],
    ) -> None:
        self._connections = connections
        self._books = books
        self._unknown_zone = unknown_zone

    async def ready(self) -> None:
        """Return when the tables can be read; raises TransientError when they are missing too."""
        await self._connections.one(READY)

    async def stamp(self, user_id: str) -> Stamp:
        """What the learner's answers depend on."""
        return await stamp_of(self._books, await self._one(STAMP, user_id))

    async def learner(self, user_id: str) -> StoredRow[LearnerView]:
        """The learner's state without days."""
        row = await self._one(LEARNER_STATE, user_id)
        return await self._stored(row, partial(learner_view, user_id, row))

    async def topic(self, user_id: str, topic: str) -> StoredRow[TopicView]:
        """The learner's sums and level in one topic."""
        row = await self._one(TOPIC, user_id, topic=topic)
        return await self._stored(row, partial(topic_view, topic, row))

    async def page(self, user_id: str, first: dt.date, last: dt.date) -> StoredRow[PageView]:
        """The learner's state, and sums per day from `first` to `last`, both included."""
        row = await self._one(LEARNER_AND_DAYS, user_id, first_day=first, last_day=last)
        return await self._stored(row, partial(page_view, user_id, row))

    async def statistics(
        self, user_id: str, first: dt.date, last: dt.date
    ) -> StoredRow[StatisticsView]:
        """Sums over all days and per day from `first` to `last`, both included."""
        row = await self._one(STATISTICS, user_id, first_day=first, last_day=last)
        return await self._stored(row, partial(statistics_view, row))

    async def history(self, user_id: str, first: dt.date, last: dt.date) -> StoredRow[HistoryView]:
        """Sums per day from `first` to `last`, both included, and what came before."""
        row = await self._one(HISTORY, user_id, first_day=first, last_day=last)
        return await self._stored(row, partial(history_view, row))

    async def preferences(self, user_id: str) -> StoredRow[PreferencesView]:
        """What the learner prefers."""
        row = await self._one(PREFERENCES, user_id)
        return await self._stored(row, partial(preferences_view, row))

    async def streak(self, user_id: str, first: dt.date) -> StoredRow[StreakView]:
        """The learner's active and excused days, and the goal, for a week from `first` or later."""
        row = await self._one(STREAK, user_id, first_day=first)
        return await self._stored(row, partial(streak_view, row))

    async def _stored(self, row: Any, decode: Callable[[Stamp], _View]) -> StoredRow[_View]:
        return stored_row(row, await stamp_of(self._books, row), decode)

    async def _one(self, statement: ClauseElement, user_id: str, **parameters: object) -> Any:
        row = await self._connections.one(statement, user_id=user_id, **parameters)
        if row is not None and not _is_zone_known(row):
            self._unknown_zone(row.timezone)
        return row


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
    known = _is_zone_known(row)
    # The newest rule book says when days start, as for completions that arrive.
    clock = LocalClock(
        row.timezone if known else None,
        row.utc_offset_minutes,
        row.day_starts_at,
        active.day_starts,
    )
    book = await books.of(row.rule_book)
    return Stamp(book, row.version, clock, row.last_active_day, row.gamification or "on")


def _is_zone_known(row: Any) -> bool:
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
