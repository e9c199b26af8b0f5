"""What the HTTP view reads of one learner."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from progress_worker.domain.calendar import LocalClock
from progress_worker.domain.preferences import Gamification, Preference
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import Cell, LearnerState, SkillLevel
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.totals import Totals

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
