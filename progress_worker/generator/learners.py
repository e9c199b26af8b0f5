"""Learners with habits: who they are, on which days they study, and how well."""

from __future__ import annotations

import datetime as dt
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from zoneinfo import ZoneInfo

from progress_worker.domain.calendar import zone
from progress_worker.domain.vocabulary import Difficulty

WINDOW_DAYS = 120

#: Both edges of the date line, half-hour offsets, and daylight saving time in both hemispheres.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Kiritimati",
    "Asia/Kolkata",
    "Pacific/Pago_Pago",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "Europe/London",
    "Asia/Tokyo",
    "America/Los_Angeles",
    "Africa/Lagos",
    "Asia/Kathmandu",
)
TOPICS = (
    "algorithms",
    "data-structures",
    "databases",
    "networking",
    "operating-systems",
    "statistics",
    "machine-learning",
    "web-development",
)

EASY: tuple[Difficulty] = ("easy",)
MEDIUM: tuple[Difficulty] = ("medium",)
HARD: tuple[Difficulty] = ("hard",)

#: The days of the window (0 is its first) on which a learner studies.
Days = list[int]


@dataclass(frozen=True, slots=True)
class Stay:
    """From this day of the window on, the learner's clock shows the time of this zone."""

    day: int
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Learner:
    """Everything about a learner that does not change.

    `timezone` is the zone that the events name, or None. `days` are days of the window in the
    learner's zone, `first_day` the date of its first. `records` is how many records the learner
    sends. `hour` is when the studying of a day begins. `ability` is the mean grade to begin with,
    `growth` how much it rises until the end, both in percent.
    `stays` are the zones after the first one, in order. `day_starts_at` is what the events say of
    it.
    """

    user_id: str
    zone: ZoneInfo
    timezone: str | None
    writes_utc: bool
    first_day: dt.date
    days: tuple[int, ...]
    records: int
    hour: float
    ability: float
    growth: float
    ungraded_share: float
    topics: tuple[str, ...]
    difficulties: tuple[Difficulty, ...]
    stays: tuple[Stay, ...] = ()
    day_starts_at: int | None = None

    def zone_of(self, day: int) -> ZoneInfo:
        """The zone in which the learner spends that day of the window."""
        found = self.zone
        for stay in self.stays:
            if stay.day > day:
                break
            found = stay.zone
        return found


def make_learners(count: int, records: int, end: dt.datetime, rng: Random) -> Iterator[Learner]:
    """This many learners with at least one record, who together send exactly `records` records.

    A few of them do most of the work, as everywhere. With fewer records than learners, some
    learners have none and are left out.
    """
    habits = [_choose(HABITS, rng) for _ in range(count)]
    weights = [habit.weight * min(rng.paretovariate(1.3), 25.0) for habit in habits]
    total = sum(weights)
    sent = 0
    for index, (habit, upto) in enumerate(zip(habits, accumulate(weights), strict=True)):
        share = records if index == count - 1 else round(records * upto / total)
        if share > sent:
            yield _learner(index, habit, share - sent, end, rng)
            sent = share


@dataclass(frozen=True, slots=True)
class Habit:
    """A way to study: how many learners have it, how much they do, and on which days."""

    share: float
    weight: float
    days: Callable[[dt.date, Random], Days]


def _daily(_: dt.date, rng: Random) -> Days:
    return list(range(rng.randrange(60), WINDOW_DAYS))


def _lapsed(_: dt.date, rng: Random) -> Days:
    return list(range(rng.randrange(40), WINDOW_DAYS - rng.randrange(5, 60)))


def _weekends(first: dt.date, _: Random) -> Days:
    return [day for day in range(WINDOW_DAYS) if (first.weekday() + day) % 7 >= 5]


def _workdays(first: dt.date, _: Random) -> Days:
    return [day for day in range(WINDOW_DAYS) if (first.weekday() + day) % 7 < 5]


def _with_breaks(_: dt.date, rng: Random) -> Days:
    days: Days = []
    day = rng.randrange(10)
    while day < WINDOW_DAYS:
        stop = day + rng.randrange(4, 25)
        days += range(day, min(stop, WINDOW_DAYS))
        day = stop + rng.randrange(2, 14)
    return days


def _irregular(_: dt.date, rng: Random) -> Days:
    return [day for day in range(WINDOW_DAYS) if rng.random() < 0.35] or [WINDOW_DAYS - 1]


HABITS = (
    Habit(0.25, 2.0, _daily),
    Habit(0.10, 1.0, _lapsed),
    Habit(0.20, 0.5, _weekends),
    Habit(0.10, 1.5, _workdays),
    Habit(0.20, 1.0, _with_breaks),
    Habit(0.15, 0.7, _irregular),
)


def _choose(habits: tuple[Habit, ...], rng: Random) -> Habit:
    bounds = list(accumulate(habit.share for habit in habits))
    return habits[min(bisect(bounds, rng.random()), len(habits) - 1)]


def _learner(index: int, habit: Habit, records: int, end: dt.datetime, rng: Random) -> Learner:
    name = ZONES[index % len(ZONES)]
    rules = zone(name)
    first_day = end.astimezone(rules).date() - dt.timedelta(days=WINDOW_DAYS - 1)
    manner = rng.random()
    favourites = rng.sample(TOPICS, 3)
    return Learner(
        user_id=f"learner-{index:06d}",
        zone=rules,
        timezone=None if manner < 0.15 else name,
        writes_utc=manner > 0.7,
        first_day=first_day,
        days=tuple(habit.days(first_day, rng)),
        records=records,
        hour=rng.uniform(6.0, 20.0),
        ability=rng.gauss(68.0, 12.0),
        growth=rng.uniform(0.0, 22.0),
        ungraded_share=rng.choice((0.0, 0.0, 0.05, 0.3)),
        topics=(*favourites[:1] * 8, *favourites[1:2] * 4, *favourites[2:] * 2, *TOPICS[:2]),
        difficulties=(*EASY * rng.randrange(2, 6), *MEDIUM * 4, *HARD * 2),
    )
