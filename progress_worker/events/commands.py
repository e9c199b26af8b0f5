"""Pydantic models for the data of the commands that the worker receives."""

from __future__ import annotations

from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from progress_worker.domain.excuses import ExcuseKind
from progress_worker.domain.vocabulary import Topic
from progress_worker.events.fields import MOST_REVISIONS, Instant, IsoDate, UserId, Whole
from progress_worker.events.models import IncomingEvent

RECALCULATION_REQUESTED: Final = "progress.recalculation.requested.v1"
DAYS_EXCUSED: Final = "streak.days.excused.v1"
ERASURE_REQUESTED: Final = "learner.erasure.requested.v1"

MOST_EXCUSED_DAYS: Final = 366


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
