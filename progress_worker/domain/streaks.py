"""The streaks of a learner, folded over runs of active days.

Excused days that are active count as active.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from progress_worker.domain.days import Days, Run, count_days_from, skip_runs, union
from progress_worker.domain.weeks import WeeklyStreak


class StreakPolicy(NamedTuple):
    """What a rule book decides about streaks. The default is a daily streak without freezes."""

    #: The most freezes that a learner can have; 0 means none are earned.
    cap: int = 0
    #: Active days that earn one freeze, at least 1.
    earn_every: int = 1
    #: The first day of a week as `date.weekday()` numbers them, 0 for Monday.
    week_starts_on: int = 0
    #: Active days, 1 to 7, that meet a week without excused days.
    week_days: int = 1
    #: Days that are excused for everybody, ascending with a gap between runs, as `union` returns
    #: them.
    excused: tuple[Run, ...] = ()


class DailyStreak:
    """The run that the last active day lies in, the freezes it has, and the longest run.

    Lengths are in active days, `first` and `last` are ordinals of active days and 0 without any.
    `credit` counts units of 1/`earn_every` of a freeze. `excused` are runs as `union` returns them.
    """

    __slots__ = (
        "_at",
        "credit",
        "earn_every",
        "excused",
        "first",
        "last",
        "length",
        "longest",
        "most_credit",
    )

    def __init__(self, policy: StreakPolicy, excused: Sequence[Run]) -> None:
        self.earn_every = policy.earn_every
        self.most_credit = policy.cap * policy.earn_every
        self.excused = excused
        #: The index of the first excused run that ends after `last`.
        self._at = 0
        self.length = 0
        self.first = 0
        self.last = 0
        self.credit = 0
        self.longest = 0

    def add(self, first: int, last: int) -> None:
        """Append active days from `first` to `last`, all of them after the last active day."""
        price = 0 if first == self.last + 1 else self.missed_before(first) * self.earn_every
        if price > self.credit or self.length == 0:
            self.length, self.first, self.credit = 0, first, 0
        else:
            self.credit -= price
        days = last - first + 1
        self.length += days
        self.last = last
        self.longest = max(self.longest, self.length)
        if self.most_credit:
            self.credit = min(self.most_credit, self.credit + days)
        if self.excused:
            self._at = skip_runs(self.excused, self._at, last + 1)

    def missed_before(self, ordinal: int) -> int:
        """The days between the last active day and this one that are not excused."""
        missed = max(0, ordinal - self.last - 1)
        if missed and self.excused:
            missed -= count_days_from(self.excused, self._at, self.last + 1, ordinal - 1)
        return missed

    def credit_on(self, ordinal: int) -> int:
        """The credit left when read on this day; negative when the run is broken by then."""
        return self.credit - self.missed_before(ordinal) * self.earn_every


class Streaks:
    """A learner's active and excused days, and the streaks that follow from them.

    The folds for the policy object asked with last are kept, and extended when a day is appended.
    So change the days only by the methods here, and read a fold again after a change.
    """

    __slots__ = ("_daily", "_excused_runs", "_policy", "_weekly", "active", "excused", "travelled")

    def __init__(
        self,
        active: Days | None = None,
        excused: Days | None = None,
        travelled: Days | None = None,
    ) -> None:
        self.active = Days() if active is None else active
        #: Days that the learner's adjustments excuse.
        self.excused = Days() if excused is None else excused
        #: Days that the travel guard excuses.
        self.travelled = Days() if travelled is None else travelled
        self._policy: StreakPolicy | None = None
        self._excused_runs: Sequence[Run] = ()
        self._daily: DailyStreak | None = None
        self._weekly: WeeklyStreak | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Streaks)
            and self.active == other.active
            and self.excused == other.excused
            and self.travelled == other.travelled
        )

    def __hash__(self) -> int:
        raise TypeError("Streaks is mutable")

    def __repr__(self) -> str:
        return f"Streaks({self.active}, {self.excused}, {self.travelled})"

    def add_active(self, day: dt.date) -> bool:
        """Make a day active; False when it already was."""
        if not self.active.add(day):
            return False
        ordinal = day.toordinal()
        if self.active.runs[-1][1] != ordinal:  # a late day
            self._daily = self._weekly = None
            return True
        if self._daily is not None:
            self._daily.add(ordinal, ordinal)
        if self._weekly is not None:
            self._weekly.add(ordinal, ordinal)
        return True

    def remove_active(self, day: dt.date) -> bool:
        """Make a day idle; False when it already was."""
        self._daily = self._weekly = None
        return self.active.remove(day)

    def set_excused(self, days: Days) -> None:
        """Replace the days that adjustments excuse."""
        self.excused = days
        self._policy = None

    def set_travelled(self, days: Days) -> None:
        """Replace the days that the travel guard excuses."""
        self.travelled = days
        self._policy = None

    def excused_runs(self, policy: StreakPolicy) -> Sequence[Run]:
        """Every excused day, active or not, as ascending runs with a gap between them."""
        if policy is not self._policy:
            self._policy = policy
            self._daily = self._weekly = None
            self._excused_runs = policy.excused
            if self.excused.runs or self.travelled.runs:
                self._excused_runs = union(policy.excused, self.excused.runs, self.travelled.runs)
        return self._excused_runs

    def daily(self, policy: StreakPolicy) -> DailyStreak:
        """The fold of the days."""
        if policy is self._policy and self._daily is not None:  # nearly always true
            return self._daily
        fold = DailyStreak(policy, self.excused_runs(policy))
        for first, last in self.active.runs:
            fold.add(first, last)
        self._daily = fold
        return fold

    def weekly(self, policy: StreakPolicy) -> WeeklyStreak:
        """The fold of the weeks."""
        if policy is self._policy and self._weekly is not None:
            return self._weekly
        fold = WeeklyStreak(policy.week_starts_on, policy.week_days, self.excused_runs(policy))
        for first, last in self.active.runs:
            fold.add(first, last)
        self._weekly = fold
        return fold

    def longest_days(self, policy: StreakPolicy) -> int:
        """The longest daily streak, in active days."""
        return self.daily(policy).longest

    def longest_weeks(self, policy: StreakPolicy) -> int:
        """The longest weekly streak, in weeks that are met."""
        return self.weekly(policy).longest
