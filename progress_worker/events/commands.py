"""Pydantic models for the data of the commands that the worker receives."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from progress_worker.domain.excuses import ExcuseKind
from progress_worker.domain.preferences import (
    LONGEST_NAME,
    Boards,
    Gamification,
    GoalMeasure,
    normal_name,
)
from progress_worker.domain.vocabulary import Topic
from progress_worker.events.fields import MOST_REVISIONS, Instant, IsoDate, UserId, Whole
from progress_worker.events.models import IncomingEvent

RECALCULATION_REQUESTED: Final = "progress.recalculation.requested.v1"
DAYS_EXCUSED: Final = "streak.days.excused.v1"
ERASURE_REQUESTED: Final = "learner.erasure.requested.v1"
PREFERENCES_SET: Final = "learner.preferences.set.v1"

MOST_EXCUSED_DAYS: Final = 366
_MOST_OF_A_GOAL: Final = 1_000_000


class RecalculationRequested(IncomingEvent):
    """Derive a learner's progress again from the stored completions."""

    user_id: UserId
    topic: Topic | None = Field(default=None, description="Only this topic's skill level.")


class LearnerErasureRequested(IncomingEvent):
    """Delete everything about a learner that was done until now."""

    erasure_id: UUID = Field(
        description="The request's identity; sent again, it carries the same id and does nothing.",
        examples=["3d813cbb-47fb-42ba-91df-831e1593ac29"],
    )
    user_id: UserId
    requested_at: Instant = Field(
        description="What was done until this instant is deleted, and dropped if it arrives later: "
        "RFC 3339 with an offset, not more than 5 minutes (a setting) in the future.",
        examples=["2026-12-01T09:00:00+01:00"],
    )


class StreakDaysExcused(IncomingEvent):
    """Some local days of a learner cannot break a streak."""

    excuse_id: UUID = Field(
        description="The excuse's identity; sent again, it carries the same id.",
        examples=["7c9e6679-7425-40de-944b-e07fc1f90ae7"],
    )
    revision: Annotated[int, Whole(0, MOST_REVISIONS)] = Field(
        default=0,
        description="A higher revision of the same `excuse_id` replaces what was said before; the "
        "same or a lower one changes nothing. Each revision has its own `ce_id`.",
    )
    revoked: bool = Field(
        default=False,
        description="This revision takes the excuse back, until a higher one says otherwise.",
    )
    user_id: UserId
    issued_at: Instant = Field(
        description="When the platform granted the excuse: RFC 3339 with an offset, not more than "
        "5 minutes (a setting) in the future.",
        examples=["2026-12-20T18:00:00+01:00"],
    )
    kind: ExcuseKind = Field(description="Why the days are excused. It changes nothing.")
    first_day: IsoDate = Field(
        description="The first local day that is excused, past or future.", examples=["2026-12-24"]
    )
    last_day: IsoDate = Field(
        description=f"The last one, included; at most {MOST_EXCUSED_DAYS} days in all.",
        examples=["2026-12-26"],
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        days = (self.last_day - self.first_day).days + 1
        if not 1 <= days <= MOST_EXCUSED_DAYS:
            raise PydanticCustomError(
                "days", f"last_day: not within {MOST_EXCUSED_DAYS} days from first_day on"
            )
        return self


def _read_name(name: str) -> str:
    try:
        return normal_name(name)
    except ValueError as error:
        raise PydanticCustomError("display_name", "{why}", {"why": str(error)}) from None


class LearnerGoal(BaseModel):
    """What a learner wants to reach."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    measure: GoalMeasure = Field(description="What is counted.")
    target: Annotated[int, Whole(1, _MOST_OF_A_GOAL)] = Field(
        description="How many of them.", examples=[5]
    )
    by: IsoDate | None = Field(
        default=None,
        description="The last local day that counts, and the first one is that of `issued_at`. "
        "Without it, every calendar week counts for itself.",
        examples=["2026-12-31"],
    )


class LearnerPreferencesSet(IncomingEvent):
    """All of a learner's preferences. What is left out is the default again."""

    user_id: UserId
    revision: Annotated[int, Whole(0, MOST_REVISIONS)] = Field(
        description="The highest revision counts as a whole; the same or a lower one changes "
        "nothing. Each revision has its own `ce_id`.",
        examples=[1],
    )
    issued_at: Instant = Field(
        description="When the learner chose: RFC 3339 with an offset, not more than 5 minutes (a "
        "setting) in the future.",
        examples=["2026-12-01T18:00:00+01:00"],
    )
    boards: Boards = Field(
        default="anonymous",
        description="How boards show the learner: without a name, not at all, or by the display "
        "name. `named` without a display name counts as `anonymous`.",
    )
    display_name: Annotated[str, AfterValidator(_read_name)] | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_NAME,
        description="The name on boards. It is brought into Unicode's form NFC, and white space "
        "around it is dropped. Control, format and bidirectional characters are refused.",
        examples=["Ana"],
    )
    gamification: Gamification = Field(
        default="on",
        description="`quiet`: everything is shown, and nothing disturbs the learner. `off`: the "
        "view leaves out badges, points and pressure too. Computing goes on.",
    )
    goal: LearnerGoal | None = Field(
        default=None, description="What the learner wants to reach; null: nothing in particular."
    )

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        # A learner's day may begin after that of the offset that was written.
        if self.goal and self.goal.by and self.goal.by < self.issued_at.date() - dt.timedelta(1):
            raise PydanticCustomError("goal", "goal.by: before the day of issued_at")
        return self
