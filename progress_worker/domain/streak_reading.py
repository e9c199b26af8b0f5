"""What a learner's streaks come to when read on a local day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from progress_worker.domain.days import Days, Run, count_days, nth_day_outside
from progress_worker.domain.streaks import DailyStreak, StreakPolicy, Streaks
from progress_worker.domain.weeks import days_needed, first_day_of_week, week_of

StreakState: TypeAlias = Literal["none", "active_today", "broken", "at_risk", "frozen", "safe"]
DayStatus: TypeAlias = Literal["active", "frozen", "excused", "missed", "future"]

CONSISTENCY_DAYS: Final = 28


class OpenGap(NamedTuple):
    """The missed days since the last active day: the first, the last and how many."""

    first_day: dt.date
    last_day: dt.date
    missed: int


class DailyReading(NamedTuple):
    """A daily streak as read on a local day. A broken one has length 0 and no freezes."""

    #: Active days of the run.
    current: int
    #: Active days of the longest run.
    longest: int
    #: Days from the run's first to its last active day.
    calendar_days: int
    state: StreakState
    last_active_day: dt.date | None
    #: Whole freezes.
    freezes_left: int
    #: Active days until the next whole freeze. None when no more can be had.
    next_freeze_in: int | None
    #: The last local day on which an activity still saves the run. None unless it is alive.
    expires_on: dt.date | None
    #: None without a missed day.
    repairable: OpenGap | None


class WeeklyReading(NamedTuple):
    """A weekly streak, and the week of the local day that it is read on."""

    #: Weeks that were met, this one included once it is.
    current: int
    longest: int
    #: The ISO week of the week's fourth day, like 2026-W48.
    week: str
    #: Active days of this week.
    active_days: int
    #: Active days that meet this week; 0 when it is skipped.
    needed: int

    @property
    def met(self) -> bool:
        """Whether this week counts already."""
        return 0 < self.needed <= self.active_days

    @property
    def skipped(self) -> bool:
        """Whether all of this week is excused."""
        return self.needed == 0


def read_daily(streaks: Streaks, policy: StreakPolicy, today: dt.date) -> DailyReading:
    """The daily streak as read on the local day `today`, which is never missed yet."""
    streak, ordinal = streaks.daily(policy), today.toordinal()
    credit = streak.credit_on(ordinal)
    alive = credit >= 0 and streak.length > 0
    missed = streak.missed_before(ordinal) if streak.length else 0
    expires = expires_on(streak) if alive else None
    freezes = max(0, credit) // policy.earn_every
    return DailyReading(
        current=streak.length if alive else 0,
        longest=streak.longest,
        calendar_days=streak.last - streak.first + 1 if alive else 0,
        state=_state(streak, today, missed, expires),
        last_active_day=streaks.active.last_day,
        freezes_left=freezes,
        next_freeze_in=(
            policy.earn_every - max(0, credit) % policy.earn_every if freezes < policy.cap else None
        ),
        expires_on=expires,
        repairable=_open_gap(streak, missed) if missed else None,
    )


def expires_on(streak: DailyStreak) -> dt.date | None:
    """The last local day on which an activity would still lengthen the run; None without one.

    The streak is alive when read on that day or earlier. The calendar's last day stands for any
    later one.
    """
    if streak.length == 0:
        return None
    payable = streak.credit // streak.earn_every
    return _date(nth_day_outside(streak.excused, streak.last, payable + 1))


def read_weekly(streaks: Streaks, policy: StreakPolicy, today: dt.date) -> WeeklyReading:
    """The weekly streak as read on the local day `today`, whose week never breaks it."""
    streak, active = streaks.weekly(policy), streaks.active.runs
    week = week_of(today.toordinal(), policy.week_starts_on)
    first = first_day_of_week(week, policy.week_starts_on)
    return WeeklyReading(
        current=streak.length_on(week),
        longest=streak.longest,
        week=week_name(week, policy.week_starts_on),
        active_days=count_days(active, first, first + 6),
        needed=days_needed(
            policy.week_days, _count_excused(streaks.excused_runs(policy), active, first, first + 6)
        ),
    )


def week_name(week: int, starts_on: int) -> str:
    """The ISO week of the fourth day of a week that `week_of` numbers, like 2026-W48."""
    year, iso_week, _ = _date(first_day_of_week(week, starts_on) + 3).isocalendar()
    return f"{year:04}-W{iso_week:02}"


def consistency(active: Days, today: dt.date) -> int:
    """Active days among the last 28 local days, today included."""
    last = today.toordinal()
    return count_days(active.runs, last - CONSISTENCY_DAYS + 1, last)


def day_statuses(
    streaks: Streaks, policy: StreakPolicy, today: dt.date, first: dt.date, last: dt.date
) -> list[DayStatus | None]:
    """The status of every day from `first` to `last` as read on the local day `today`.

    It is None before the first active day, unless the day is excused or not over.
    """
    window = range(first.toordinal(), last.toordinal() + 1)
    active = _members(streaks.active.runs, window)
    excused = _members(streaks.excused_runs(policy), window)
    frozen = _members(_paid_gaps(streaks, policy, today), window)
    begun = streaks.active.runs[0][0] if streaks.active.runs else dt.date.max.toordinal()

    def status(ordinal: int) -> DayStatus | None:
        if ordinal in active:
            return "active"
        if ordinal in excused:
            return "excused"
        if ordinal >= today.toordinal():
            return "future"
        if ordinal in frozen:
            return "frozen"
        return "missed" if ordinal > begun else None

    return [status(ordinal) for ordinal in window]


def streaks_by_day(
    streaks: Streaks, policy: StreakPolicy, first: dt.date, last: dt.date
) -> Iterator[tuple[int, int]]:
    """Current and longest daily streak at the end of each day from `first` to `last`.

    They are what is read on that day from the active days up to it.
    """
    window = range(first.toordinal(), last.toordinal() + 1)
    active = _members(streaks.active.runs, window)
    streak = DailyStreak(policy, streaks.excused_runs(policy))
    for begin, end in streaks.active.runs:
        if begin >= window.start:
            break
        streak.add(begin, min(end, window.start - 1))
    current = streak.length
    for ordinal in window:
        if ordinal in active:
            streak.add(ordinal, ordinal)
            current = streak.length
        elif current and streak.credit_on(ordinal) < 0:
            current = 0
        yield current, streak.longest


def _state(
    streak: DailyStreak, today: dt.date, missed: int, expires: dt.date | None
) -> StreakState:
    if streak.length == 0:
        return "none"
    if streak.last >= today.toordinal():
        return "active_today"
    if expires is None:
        return "broken"
    if expires == today:
        return "at_risk"
    return "frozen" if missed else "safe"


def _open_gap(streak: DailyStreak, missed: int) -> OpenGap:
    first = nth_day_outside(streak.excused, streak.last, 1)
    last = nth_day_outside(streak.excused, streak.last, missed)
    return OpenGap(_date(first), _date(last), missed)


def _paid_gaps(streaks: Streaks, policy: StreakPolicy, today: dt.date) -> list[Run]:
    """The gaps that freezes bridge, the open one included while the run is alive."""
    gaps: list[Run] = []
    streak = DailyStreak(policy, streaks.excused_runs(policy))
    for first, last in streaks.active.runs:
        before, begun = streak.last, streak.first
        streak.add(first, last)
        if streak.first == begun:
            gaps.append((before + 1, first - 1))
    ordinal = today.toordinal()
    if streak.length and streak.last < ordinal and streak.credit_on(ordinal) >= 0:
        gaps.append((streak.last + 1, ordinal - 1))
    return gaps


def _count_excused(excused: Sequence[Run], active: Sequence[Run], first: int, last: int) -> int:
    """Days from `first` to `last` that are excused and not active."""
    if not excused:  # nearly always true
        return 0
    window = range(first, last + 1)
    return len(_members(excused, window) - _members(active, window))


def _members(runs: Sequence[Run], window: range) -> set[int]:
    """The days of the window that lie in a run."""
    return {
        ordinal
        for first, last in runs
        for ordinal in range(max(first, window.start), min(last + 1, window.stop))
    }


def _date(ordinal: int) -> dt.date:
    """That day, or the nearest one of the calendar, which has the years 1 to 9999."""
    return dt.date.fromordinal(min(max(1, ordinal), dt.date.max.toordinal()))
