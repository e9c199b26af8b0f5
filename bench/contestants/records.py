"""The tables of the agents, as SQLAlchemy's ORM knows them, and how an event becomes a row."""

from __future__ import annotations

import datetime as dt
from typing import TypedDict
from uuid import UUID

from sqlalchemy import BigInteger, SmallInteger
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from progress_worker.domain.calendar import zone
from progress_worker.events.models import ExerciseCompleted

SUMS = ("completions", "graded", "grade_hundredths", "time_spent_seconds", "hints_used")


class Base(DeclarativeBase):
    """What the tables share."""


class Completion(Base):
    """A finished exercise."""

    __tablename__ = "completion"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    exercise_id: Mapped[str]
    topic: Mapped[str]
    difficulty: Mapped[str]
    grade_hundredths: Mapped[int | None] = mapped_column(SmallInteger)
    time_spent_seconds: Mapped[int]
    hints_used: Mapped[int] = mapped_column(SmallInteger)
    completed_at: Mapped[dt.datetime]
    timezone: Mapped[str | None]
    local_day: Mapped[dt.date]


class Counted:
    """The columns of sums that tables share."""

    completions: Mapped[int] = mapped_column(default=0)
    graded: Mapped[int] = mapped_column(default=0)
    grade_hundredths: Mapped[int] = mapped_column(BigInteger, default=0)
    time_spent_seconds: Mapped[int] = mapped_column(BigInteger, default=0)
    hints_used: Mapped[int] = mapped_column(BigInteger, default=0)


class Learner(Counted, Base):
    """A learner's sums and active days."""

    __tablename__ = "learner"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    active_days: Mapped[MultiRange[dt.date]] = mapped_column(DATEMULTIRANGE)


class Topic(Counted, Base):
    """A learner's sums in a topic."""

    __tablename__ = "learner_topic"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)


class Day(Counted, Base):
    """A learner's sums on a local day."""

    __tablename__ = "learner_day"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    local_day: Mapped[dt.date] = mapped_column(primary_key=True)


class Arrived(TypedDict):
    """A row of the table of completions."""

    user_id: str
    event_id: UUID
    exercise_id: str
    topic: str
    difficulty: str
    grade_hundredths: int | None
    time_spent_seconds: int
    hints_used: int
    completed_at: dt.datetime
    timezone: str | None
    local_day: dt.date


def read(value: bytes) -> Arrived:
    """Check an event by the published contract and make it a row; every event names its zone."""
    event = ExerciseCompleted.model_validate_json(value)
    if event.event_id is None or event.timezone is None:
        raise ValueError("not an event of the benchmark")
    return Arrived(
        user_id=event.user_id,
        event_id=event.event_id,
        exercise_id=event.exercise_id,
        topic=event.topic,
        difficulty=event.difficulty,
        grade_hundredths=None if event.grade is None else round(event.grade * 100),
        time_spent_seconds=event.time_spent_seconds,
        hints_used=event.hints_used,
        completed_at=event.completed_at,
        timezone=event.timezone,
        local_day=event.completed_at.astimezone(zone(event.timezone)).date(),
    )
