"""Learners who travel, skip days and say when their days start."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from progress_worker.domain.calendar import utc_offset_minutes, zone
from progress_worker.generator.learners import WINDOW_DAYS, ZONES, Learner, Stay

#: The last days of the window are spent at home, whose midnights are known to lie in it.
_LAST_DEPARTURE = WINDOW_DAYS - 15
_SKIPPED = 0.1
_DAY_STARTS = (None, None, 0, 4, 12, 20)


def send_travelling(learner: Learner, rng: Random) -> Learner:
    """The same learner with journeys through any zones, fewer days, and maybe a start of the day.

    Whoever flies east does not study on the day of the flight: the clock takes hours from it, or
    all of it.
    """
    stays = tuple(_stays(learner, rng))
    flights = set()
    home = learner.zone
    for before, stay in zip((home, *(stay.zone for stay in stays)), stays, strict=False):
        if _offset(learner, stay.day, stay.zone) > _offset(learner, stay.day, before):
            flights.add(stay.day)
    days = tuple(day for day in learner.days if day not in flights and rng.random() >= _SKIPPED)
    return replace(
        learner,
        stays=stays,
        days=days or learner.days[-1:],
        day_starts_at=rng.choice(_DAY_STARTS),
    )


def _stays(learner: Learner, rng: Random) -> Iterator[Stay]:
    day = rng.randrange(3, 15)
    while day < _LAST_DEPARTURE:
        yield Stay(day, zone(rng.choice(ZONES)))
        day += rng.randrange(2, 9)
        yield Stay(day, learner.zone)
        day += rng.randrange(8, 30)


def _offset(learner: Learner, day: int, rules: dt.tzinfo) -> int:
    noon = dt.datetime.combine(learner.first_day + dt.timedelta(days=day), dt.time(12), rules)
    return utc_offset_minutes(noon)
