"""Turns a Kafka record into a completion, or says why it is none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple
from uuid import UUID

from progress_worker.domain.calendar import (
    DayStarts,
    UnknownTimezoneError,
    local_day,
    local_time,
    utc_offset_minutes,
)
from progress_worker.domain.completion import Completion
from progress_worker.errors import PoisonError, Reason
from progress_worker.events.cloudevents import Envelope, Headers
from progress_worker.events.decoding import TopicReader, decoder_of, utc_within
from progress_worker.events.models import (
    EXERCISE_COMPLETED,
    ExerciseCompleted,
)

_UUID: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
).fullmatch


class Decoded(NamedTuple):
    """A completion, and the trace that its record belongs to."""

    completion: Completion
    traceparent: str | None


class Decoder:
    """Decodes records of the exercise-completed topic.

    It is a pure function of record, clock and the active rule book's start of the day.
    """

    def __init__(
        self,
        *,
        max_value_bytes: int,
        max_future_seconds: float,
        day_starts: Callable[[], DayStarts] = DayStarts,
    ) -> None:
        """Refuse values with more bytes, and completions further in the future.

        `day_starts` is asked for each completion whose event does not say when the day starts.
        """
        self._day_starts = day_starts
        self._max_value_bytes = max_value_bytes
        self._max_future_seconds = max_future_seconds
        self._reader = TopicReader(
            {EXERCISE_COMPLETED: decoder_of(ExerciseCompleted, self._completed)},
            bare=EXERCISE_COMPLETED,
        )

    def decode(
        self, key: bytes | None, value: bytes | None, headers: Headers, now: dt.datetime
    ) -> Decoded:
        """The record's completion; `now` is aware.

        Raises PoisonError, and nothing else, for a record that breaks a rule of the contract.
        """
        if value and len(value) > self._max_value_bytes:
            raise PoisonError(
                Reason.TOO_LARGE,
                f"the value has {len(value)} bytes, more than {self._max_value_bytes}",
            )
        return self._reader.read(key, value, headers, now)

    def _completed(self, event: ExerciseCompleted, envelope: Envelope, now: dt.datetime) -> Decoded:
        completed_at = utc_within(event.completed_at, "completed_at", now, self._max_future_seconds)
        completion = self._completion(event, completed_at, envelope.id)
        return Decoded(completion, envelope.traceparent)

    def _completion(
        self, event: ExerciseCompleted, completed_at: dt.datetime, ce_id: str | None
    ) -> Completion:
        try:
            local = local_time(event.completed_at, event.timezone)
        except UnknownTimezoneError:
            raise PoisonError(Reason.UNKNOWN_TIMEZONE, "timezone: not an IANA zone") from None
        except OverflowError:
            raise PoisonError(
                Reason.TIME_OUT_OF_RANGE, "completed_at: after the year 9999"
            ) from None
        hour = event.day_starts_at
        if hour is None:
            hour = self._day_starts().hour(local.date())
        # By position, which takes half the time of doing it by name.
        return Completion(
            event.user_id,
            _event_id(event, ce_id),
            event.revision,
            event.revoked,
            event.exercise_id,
            event.topic,
            event.difficulty,
            None if event.grade is None else grade_hundredths(event.grade),
            event.time_spent_seconds,
            event.hints_used,
            completed_at,
            event.timezone,
            local_day(local, hour),
            utc_offset_minutes(local),
            event.day_starts_at,
            event.cohort,
            hour,
        )


def grade_hundredths(grade: float) -> int:
    """A grade of 0..100 in hundredths, rounded half to even on its shortest decimal notation."""
    hundredths = grade * 100.0
    nearest = round(hundredths)
    if abs(hundredths - nearest) < 0.49:
        return nearest
    # Close to a half, the rounding of the product could decide: 2.675 is stored as 2.67499999….
    return int((Decimal(repr(grade)) * 100).to_integral_value(ROUND_HALF_EVEN))


def _event_id(event: ExerciseCompleted, ce_id: str | None) -> UUID:
    if event.event_id is not None:
        return event.event_id
    if "revision" in event.model_fields_set:
        raise PoisonError(Reason.SCHEMA_VIOLATION, "event_id: needed where there is a revision")
    if ce_id is None or _UUID(ce_id) is None:
        raise PoisonError(Reason.SCHEMA_VIOLATION, "event_id: needed unless ce_id is a UUID")
    return UUID(ce_id)
