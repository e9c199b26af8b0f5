"""ExerciseCompleted events as dictionaries and as records, valid unless a test changes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from progress_worker.events import cloudevents
from progress_worker.events.commands import (
    DAYS_EXCUSED,
    ERASURE_REQUESTED,
    PREFERENCES_SET,
    RECALCULATION_REQUESTED,
)
from progress_worker.generator.wire import Wire, WireHeaders

Event = dict[str, Any]

ENVELOPE: WireHeaders = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"delivery-1"),
    ("ce_source", b"/exercise-platform"),
    ("ce_type", b"exercise.completed.v1"),
    ("content-type", b"application/json"),
)

#: A small catalogue, so that tests do not depend on the built-in one.
CATALOGUE = """
version: 7
achievements:
  - {id: first, name: First, description: One exercise., category: milestones, tier: bronze,
     points: 10, icon: star, rule: {exercises_completed: {at_least: 1}}}
  - {id: three, name: Three, description: Three exercises., category: milestones, tier: silver,
     points: 20, icon: stars, rule: {exercises_completed: {at_least: 3}}}
  - {id: two_days, name: Two days, description: Two days in a row., category: streaks, tier: silver,
     points: 30, icon: flame, rule: {streak: {days: 2}}}
  - {id: hard_ones, name: Hard ones, description: Two hard ones., category: effort, tier: gold,
     points: 50, icon: rock, rule: {exercises_completed: {at_least: 2, difficulty: hard}}}
  - {id: wide, name: Wide, description: Three topics., category: breadth, tier: platinum,
     points: 100, icon: map, rule: {distinct_topics: {at_least: 3}}}
  - {id: skilled, name: Skilled, description: Intermediate., category: skills, tier: gold,
     points: 60, icon: hat, rule: {skill_level: {level: intermediate}}}
"""


def completed(user_id: str, **changes: object) -> Event:
    """An event of that learner."""
    return {
        "event_id": str(uuid4()),
        "user_id": user_id,
        "exercise_id": "two-sum",
        "topic": "algorithms",
        "difficulty": "medium",
        "grade": 80,
        "time_spent_seconds": 60,
        "hints_used": 1,
        "completed_at": "2026-03-02T10:00:00+01:00",
    } | changes


def wire(event: Mapping[str, Any], headers: WireHeaders = ENVELOPE) -> Wire:
    """The event as a record in binary mode, with its learner as the key."""
    return Wire(str(event["user_id"]).encode(), json.dumps(event).encode(), headers)


def recalculation(user_id: str, **fields: object) -> Wire:
    """A command to recalculate that learner."""
    return _command(RECALCULATION_REQUESTED, {"user_id": user_id, **fields})


def excuse(user_id: str, first_day: str, last_day: str | None = None, **fields: object) -> Wire:
    """A command to excuse days of that learner; one day without `last_day`."""
    return _command(
        DAYS_EXCUSED,
        {
            "excuse_id": str(uuid4()),
            "user_id": user_id,
            "issued_at": "2026-03-20T12:00:00Z",
            "kind": "pause",
            "first_day": first_day,
            "last_day": last_day or first_day,
            **fields,
        },
    )


def preferences(user_id: str, revision: int = 1, **fields: object) -> Wire:
    """A command to set all preferences of that learner."""
    return _command(
        PREFERENCES_SET,
        {
            "user_id": user_id,
            "revision": revision,
            "issued_at": "2026-03-20T12:00:00Z",
            **fields,
        },
    )


def erasure(user_id: str, requested_at: str, erasure_id: str | None = None) -> Wire:
    """A command to erase what that learner did until then."""
    return _command(
        ERASURE_REQUESTED,
        {
            "erasure_id": erasure_id or str(uuid4()),
            "user_id": user_id,
            "requested_at": requested_at,
        },
    )


def _command(type_: str, data: Mapping[str, object]) -> Wire:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", str(uuid4()).encode()),
        ("ce_source", b"/operations"),
        ("ce_type", type_.encode()),
    )
    return Wire(str(data["user_id"]).encode(), json.dumps(data).encode(), headers)


@dataclass(slots=True)
class Record:
    """A record as a consumer hands it over; `timestamp` in milliseconds."""

    key: bytes | None
    value: bytes | None
    headers: cloudevents.Headers
    offset: int = 0
    topic: str = "exercise-completed"
    partition: int = 0
    timestamp: int = 1_700_000_000_000


def wires(events: Iterable[Event | Wire]) -> list[Wire]:
    """Events as records to send; records stay as they are."""
    return [event if isinstance(event, Wire) else wire(event) for event in events]


def records(*events: Event | Wire) -> list[Record]:
    """Events as a consumer hands them over, from one partition."""
    return [Record(*each, offset=offset) for offset, each in enumerate(wires(events))]
