"""A learner's progress as the rules read and change it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from progress_worker.domain.streaks import ActiveDays
from progress_worker.domain.totals import Totals
from progress_worker.events.models import Difficulty, Level


class Cell(NamedTuple):
    """The finest grain of every sum."""

    topic: str
    difficulty: Difficulty


class NamedZone(NamedTuple):
    """A zone that a completion named; the latest one is the learner's."""

    completed_at: dt.datetime
    event_id: UUID
    timezone: str


class SkillLevel(NamedTuple):
    """A level in a topic, the one before it, and `completed_at` of the event that changed it."""

    level: Level = "beginner"
    previous_level: Level = "beginner"
    updated_at: dt.datetime | None = None


@dataclass(slots=True, init=False)
class Touched:
    """What has changed since the state was loaded, and so has to be saved."""

    totals: set[Cell]
    days: set[tuple[dt.date, Cell]]
    #: Those of the two that were not there before.
    new_totals: set[Cell]
    new_days: set[tuple[dt.date, Cell]]
    levels: set[str]
    changed: bool
    #: A completion's share was taken out, so that a day's sum may have come down to nothing.
    taken_back: bool
    #: The completion that named the learner's zone was taken back: look for the latest one again.
    zone_lost: bool

    # Written out, since that of `dataclass` stays interpreted where the rules are compiled.
    def __init__(self) -> None:
        self.totals = set()
        self.days = set()
        self.new_totals = set()
        self.new_days = set()
        self.levels = set()
        self.changed = self.taken_back = self.zone_lost = False


@dataclass(slots=True)
class LearnerState:
    """One learner's progress. Sums per topic and overall are derived from `totals`.

    `days` holds the snapshots of those local days that an event of the batch concerns.
    `counters` holds, for each filter of the catalogue, how many completions match it.
    `kept_from` is set once completions were deleted: of those before it, nothing is known any more.
    """

    user_id: str
    version: int = 0
    active_days: ActiveDays = field(default_factory=ActiveDays)
    zone: NamedZone | None = None
    counters: dict[str, int] = field(default_factory=dict)
    totals: dict[Cell, Totals] = field(default_factory=dict)
    days: dict[dt.date, dict[Cell, Totals]] = field(default_factory=dict)
    levels: dict[str, SkillLevel] = field(default_factory=dict)
    unlocked: set[str] = field(default_factory=set)
    kept_from: dt.datetime | None = None
    #: For each ladder the lowest target that is not unlocked; empty until it is asked for.
    next_targets: list[int] = field(default_factory=list, compare=False, repr=False)
    touched: Touched = field(default_factory=Touched)
    overall: Totals = field(init=False, default_factory=Totals)
    topics: dict[str, Totals] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Derive the sums per topic and overall."""
        for cell, totals in self.totals.items():
            self.overall.merge(totals)
            self.topics.setdefault(cell.topic, Totals()).merge(totals)

    def level(self, topic: str) -> SkillLevel:
        """The skill level in a topic; beginner where nothing else is known."""
        return self.levels.get(topic, _BEGINNER)


_BEGINNER = SkillLevel()
