"""The answers' models of streaks."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from msgspec import Meta

from progress_worker.domain.streak_reading import DayStatus, StreakState
from progress_worker.domain.vocabulary import Weekday
from progress_worker.http.api.fields import (
    Answer,
    ChosenGoal,
    ClockName,
    LearnerId,
    LocalDay,
    Moment,
    ReadAt,
)

StateOfStreak = Annotated[
    StreakState,
    Meta(
        description="The first that holds: `none`: there is no active day; `active_today`; "
        "`broken`; `at_risk`: it ends unless an exercise is completed today; `frozen`: freezes pay "
        "for missed days; `safe`. For a learner who wants no pressure: `none`, "
        "`active_today` or `safe`."
    ),
]
StatusOfDay = Annotated[
    DayStatus | None,
    Meta(
        description="`active`: with a completion; `excused`; `future`: not over, and neither of "
        "those; `frozen`: missed, and a freeze pays for it; `missed`; null before the first active "
        "day, and for missed and frozen days of a learner who wants no pressure."
    ),
]
WholeFreezes = Annotated[
    int, Meta(ge=0, description="Freezes left. Each pays for one missed day.", examples=[1])
]
NextFreezeIn = Annotated[
    Annotated[int, Meta(ge=1)] | None,
    Meta(
        description="Active days until the next freeze; null when there can be no more.",
        examples=[3],
    ),
]
ExpiresAt = Annotated[
    Moment | None,
    Meta(
        description="When the current streak ends if no exercise is completed before, in UTC; null "
        "unless there is one."
    ),
]


class RepairableGap(Answer, frozen=True, kw_only=True):
    """The missed days since the last active day. If all of them are excused, none counts."""

    first_day: Annotated[dt.date, Meta(description="The first missed day.")]
    last_day: Annotated[dt.date, Meta(description="The last missed day.")]
    missed: Annotated[
        int,
        Meta(
            ge=1, description="How many days were missed. Excused ones do not count.", examples=[2]
        ),
    ]


Repairable = Annotated[
    RepairableGap | None,
    Meta(description="The missed days since the last active day; null without any."),
]


class DailyRun(Answer, frozen=True, kw_only=True):
    """The streak of days: active ones, with gaps that are excused or that freezes pay for."""

    current: Annotated[
        int,
        Meta(
            ge=0,
            description="The active days of the run that holds the last active day; 0 once more "
            "days are missed since then than there are freezes.",
            examples=[5],
        ),
    ]
    longest: Annotated[
        int, Meta(ge=0, description="The active days of the longest run ever.", examples=[12])
    ]
    calendar_days: Annotated[
        int,
        Meta(
            ge=0,
            description="The days from the current run's first to its last active day, those in "
            "between included.",
            examples=[6],
        ),
    ]
    state: StateOfStreak
    last_active_day: Annotated[
        dt.date | None, Meta(description="The last active day; null without any.")
    ]
    active_today: Annotated[
        bool,
        Meta(
            description="Whether today is an active day, or a day after it, as after a move to a "
            "zone that is behind."
        ),
    ]
    at_risk: Annotated[
        bool,
        Meta(description="Whether the current streak ends unless an exercise is completed today."),
    ]
    expires_at: ExpiresAt
    repairable: Repairable


class Streak(DailyRun, frozen=True, kw_only=True):
    """Streaks in short, in the learner's local days."""

    freezes_left: WholeFreezes
    next_freeze_in: NextFreezeIn


class FreezeMeter(Answer, frozen=True, kw_only=True):
    """Freezes. One pays for a missed day between active ones, so that the streak goes on."""

    left: WholeFreezes
    cap: Annotated[
        int, Meta(ge=0, description="The most that a learner can have; 0: there are none.")
    ]
    earn_every: Annotated[
        int, Meta(ge=1, description="Active days that earn a freeze.", examples=[7])
    ]
    next_freeze_in: NextFreezeIn


class DailyStanding(DailyRun, frozen=True, kw_only=True):
    """The streak of days, and its freezes."""

    freezes: Annotated[FreezeMeter, Meta(description="Freezes.")]


class WeeklyStanding(Answer, frozen=True, kw_only=True):
    """The streak of weeks with enough active days, and this week."""

    current: Annotated[
        int,
        Meta(
            ge=0,
            description="Weeks in a row that were met, this one included once it is. A skipped "
            "week neither counts nor ends the streak.",
            examples=[3],
        ),
    ]
    longest: Annotated[int, Meta(ge=0, description="The longest streak ever.", examples=[8])]
    week: Annotated[
        str,
        Meta(description="This week: the ISO week of its fourth day.", examples=["2026-W48"]),
    ]
    starts_on: Annotated[Weekday, Meta(description="The first day of a week.")]
    active_days: Annotated[
        int, Meta(ge=0, le=7, description="Active days of this week.", examples=[2])
    ]
    needed: Annotated[
        int,
        Meta(
            ge=0,
            le=7,
            description="Active days that meet this week. Excused days lower it; 0 when the week "
            "is skipped, and for a learner who wants no pressure.",
            examples=[3],
        ),
    ]
    met: Annotated[bool, Meta(description="Whether this week is met.")]
    skipped: Annotated[bool, Meta(description="Whether every day of this week is excused.")]


class Consistency(Answer, frozen=True, kw_only=True):
    """How many of the last days were active."""

    active_days: Annotated[int, Meta(ge=0, description="Active days.", examples=[20])]
    days: Annotated[
        int, Meta(ge=1, description="Of how many local days, today included.", examples=[28])
    ]


class GoalStanding(ChosenGoal, frozen=True, kw_only=True):
    """The learner's own goal, and how far it is."""

    start_date: Annotated[
        dt.date,
        Meta(
            description="The first local day that counts: that on which the goal was set, or the "
            "first of this calendar week where it has no end."
        ),
    ]
    end_date: Annotated[
        dt.date, Meta(description="The last local day that counts: `by`, or the last of this week.")
    ]
    current: Annotated[
        int, Meta(ge=0, description="How many of them there are so far.", examples=[3])
    ]
    reached: Annotated[bool, Meta(description="Whether that is enough.")]


class DayOfStreak(Answer, frozen=True, kw_only=True):
    """A local day, and what it is to the streak."""

    date: LocalDay
    status: StatusOfDay


class StreakAnswer(Answer, frozen=True, kw_only=True):
    """A learner's streaks, and the days of a range, which may lie in the future."""

    user_id: LearnerId
    timezone: ClockName
    as_of: ReadAt
    today: Annotated[dt.date, Meta(description="The learner's local day now.")]
    daily: Annotated[DailyStanding, Meta(description="The streak of days.")]
    weekly: Annotated[WeeklyStanding, Meta(description="The streak of weeks.")]
    consistency: Annotated[Consistency, Meta(description="Active days lately.")]
    goal: Annotated[
        GoalStanding | None,
        Meta(description="The learner's own goal; null for a learner who has set none."),
    ]
    days: Annotated[
        list[DayOfStreak],
        Meta(max_length=366, description="The days of the range, oldest first."),
    ]
