"""A learner's progress as the rules read and change it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from progress_worker.domain.buckets import Buckets
from progress_worker.domain.days import Days
from progress_worker.domain.preferences import Gamification
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.totals import Totals
from progress_worker.domain.vocabulary import Difficulty, Level

#: The finest grain of every sum: topic and difficulty. It is a plain tuple because every event
#: makes one.
Cell: TypeAlias = tuple[str, Difficulty]

Value = TypeVar("Value")
#: What a completion named: its `completed_at`, its event id and the value. The greatest of them is
#: the learner's. A plain tuple too.
Named: TypeAlias = tuple[dt.datetime, UUID, Value]

#: What a completion proves about travel: its day's offset and its reach, in minutes. See `travel`.
Proof: TypeAlias = tuple[int, int]


class SkillLevel(NamedTuple):
    """A level in a topic, the one before it, and `completed_at` of the event that changed it."""

    level: Level = "beginner"
    previous_level: Level = "beginner"
    updated_at: dt.datetime | None = None


@dataclass(slots=True, init=False)
class DirtyMarks:
    """Names what has changed since the state was loaded and has to be saved.

    A sum is marked with whether its row is new.
    """

    totals: dict[Cell, bool]
    days: dict[tuple[dt.date, Cell], bool]
    levels: dict[str, SkillLevel]
    #: By the filter's key and the bucket's name.
    buckets: dict[tuple[str, str], bool]
    changed: bool
    #: A completion was taken out of the sums: a day's sum may be zero now.
    taken_back: bool
    #: The completion that decided on a part of the learner's clock no longer does: an older one may
    #: decide.
    clock_lost: bool
    #: The learner's excused days have changed, or those that the travel guard excuses.
    excused_days: bool
    #: What a streak's expiry follows from has changed: active or excused days, or the clock.
    expiry: bool

    # Written by hand, because the one of `dataclass` is not compiled with the rules.
    def __init__(self) -> None:
        self.totals = {}
        self.days = {}
        self.levels = {}
        self.buckets = {}
        self.changed = self.taken_back = self.clock_lost = False
        self.excused_days = self.expiry = False


@dataclass(slots=True)
class LearnerState:
    """One learner's progress. Sums per topic and overall are derived from `totals`.

    `rule_book` is the version of the rule book by which counters, levels and unlocks are complete.
    It is None for a learner whom an older release saved last: a counter may be missing then.
    `days` holds the snapshots of those local days that an event of the batch concerns.
    `counters` holds how many completions match a filter, by the filter's key. `buckets` holds what
    filters that count in buckets have in those that the batch concerns. A bucket that is not there
    is empty or was not loaded.
    `unlocked` holds the ids of achievements that are unlocked, and `id#occurrence` for every
    occurrence but the first. `lost` has, for unlocks that were lost, the last generation.
    `kept_from` is set once completions were deleted: those before it may be missing.
    `erased_until` is the barrier of the learner's last erasure: facts up to it do not count.
    `gamification` is what the learner prefers; no rule reads it.
    `zone`, `offset` (in minutes, while no completion names a zone) and `day_start` (the hour) make
    the learner's clock. `complete` says that all of this release's parts were derived; a learner
    whom an older release saved last is not.
    """

    user_id: str
    version: int = 0
    rule_book: int | None = None
    streaks: Streaks = field(default_factory=Streaks)
    zone: Named[str] | None = None
    offset: Named[int] | None = None
    day_start: Named[int] | None = None
    counters: dict[str, int] = field(default_factory=dict)
    buckets: Buckets = field(default_factory=dict)
    totals: dict[Cell, Totals] = field(default_factory=dict)
    days: dict[dt.date, dict[Cell, Totals]] = field(default_factory=dict)
    levels: dict[str, SkillLevel] = field(default_factory=dict)
    unlocked: set[str] = field(default_factory=set)
    lost: dict[str, int] = field(default_factory=dict)
    kept_from: dt.datetime | None = None
    erased_until: dt.datetime | None = None
    gamification: Gamification = "on"
    complete: bool = True
    #: The bounds of how far the learner's days were ahead of days in UTC, in minutes; see `travel`.
    #: After a revision they may be wider than they are by the completions that are left.
    least_day_offset: int | None = None
    most_day_offset: int | None = None
    #: By day and event id, what completions prove about travel; None where that is not needed.
    proofs: dict[int, dict[int, Proof]] | None = field(default=None, compare=False, repr=False)
    #: What a threshold index remembers of the learner, and the number of that index.
    next_targets: list[int] = field(default_factory=list, compare=False, repr=False)
    targets_of: int = field(default=0, compare=False, repr=False)
    dirty: DirtyMarks = field(default_factory=DirtyMarks)
    overall: Totals = field(init=False, default_factory=Totals)
    topics: dict[str, Totals] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Derive the sums per topic and overall."""
        for cell, totals in self.totals.items():
            self.overall.merge(totals)
            self.topics.setdefault(cell[0], Totals()).merge(totals)

    def is_erased(self, instant: dt.datetime) -> bool:
        """Whether what was done or issued at this instant is erased."""
        return self.erased_until is not None and instant <= self.erased_until

    @property
    def is_quiet(self) -> bool:
        """Whether the learner does not want to be disturbed."""
        return self.gamification != "on"

    @property
    def active_days(self) -> Days:
        """The days with a completion."""
        return self.streaks.active

    def level(self, topic: str) -> SkillLevel:
        """The skill level in a topic; beginner if no other level is stored."""
        return self.levels.get(topic, _BEGINNER)


_BEGINNER = SkillLevel()
