"""The base of the answers' models, and the fields that several of them have."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final

from msgspec import Meta, Struct

from progress_worker.domain.preferences import Gamification, GoalMeasure

_LEARNER: Final = "learner-17"


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    """An answer, or a part of one."""


LearnerId = Annotated[str, Meta(description="The learner.", examples=[_LEARNER])]
Count = Annotated[int, Meta(ge=0, description="Exercises completed.", examples=[42])]
MeanGrade = Annotated[
    float | None,
    Meta(
        description="The mean grade in percent over graded exercises; null without any.",
        examples=[83.5],
    ),
]
SecondsSpent = Annotated[
    int, Meta(ge=0, description="Time spent on exercises, in seconds.", examples=[18_600])
]
Moment = Annotated[dt.datetime, Meta(tz=True)]
Hints = Annotated[int, Meta(ge=0, description="Hints used.", examples=[7])]
ExerciseTopic = Annotated[str, Meta(description="The topic.", examples=["algorithms"])]
LocalDay = Annotated[dt.date, Meta(description="The local day.")]
#: A learner's clock by its name.
ClockName = Annotated[
    str,
    Meta(
        description="The clock by which days are read: the zone that the learner's latest "
        "completion with a zone named. If none ever named one: the offset of the latest "
        "completion, like `+02:00`, else `UTC`.",
        examples=["Europe/Berlin", "+02:00"],
    ),
]
ChosenGame = Annotated[
    Gamification,
    Meta(
        description="What the learner prefers. `on`; `quiet`: nothing disturbs the learner; `off`: "
        "nor are there badges, points and pressure, and what would hold them is empty, 0 or null."
    ),
]
ReadAt = Annotated[Moment, Meta(description="When this was read.")]


class ChosenGoal(Answer, frozen=True, kw_only=True):
    """What the learner wants to reach, as it was set."""

    measure: Annotated[GoalMeasure, Meta(description="What is counted.")]
    target: Annotated[int, Meta(ge=1, description="How many of them.", examples=[5])]
    by: Annotated[
        dt.date | None,
        Meta(description="The last local day that counts; null: every calendar week by itself."),
    ]
