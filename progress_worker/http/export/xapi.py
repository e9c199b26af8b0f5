"""Completions as statements of xAPI 1.0.3, for a learning record store.

A statement never changes, so each revision of a completion is one of its own: revision 0 has the
event's id, and a later one an id made from both. A completion that was taken back has none.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid5

from progress_worker.domain.completion import Completion
from progress_worker.events.cloudevents import utc_text

_VERB: Final = {
    "id": "http://adlnet.gov/expapi/verbs/completed",
    "display": {"en-US": "completed"},
}
_ACTIVITY_TYPE: Final = "http://adlnet.gov/expapi/activities/assessment"
_EXTENSION: Final = "urn:progress-worker:xapi:"
_MOST_HUNDREDTHS: Final = 10_000


def statement_of(found: Completion, home_page: str) -> dict[str, Any]:
    """The statement of a completion that counts. `home_page` is an IRI without a last slash."""
    return {
        "id": str(statement_id(found.event_id, found.revision)),
        "actor": {
            "objectType": "Agent",
            "account": {"homePage": home_page, "name": found.user_id},
        },
        "verb": _VERB,
        "object": {
            "objectType": "Activity",
            "id": f"{home_page}/exercises/{quote(found.exercise_id, safe='')}",
            "definition": {"type": _ACTIVITY_TYPE, "name": {"und": found.exercise_id}},
        },
        "result": _result(found),
        "context": {"extensions": _extensions(found)},
        "timestamp": utc_text(found.completed_at),
    }


def statement_id(event_id: UUID, revision: int) -> UUID:
    """The statement's id: the event's for revision 0, else made from the event's id."""
    return uuid5(event_id, f"revision {revision}") if revision else event_id


def _result(found: Completion) -> dict[str, Any]:
    result: dict[str, Any] = {
        "completion": True,
        "duration": f"PT{found.time_spent_seconds}S",
    }
    if found.grade_hundredths is not None:
        result["score"] = {
            "scaled": found.grade_hundredths / _MOST_HUNDREDTHS,
            "raw": found.grade_hundredths / 100,
            "min": 0,
            "max": 100,
        }
    return result


def _extensions(found: Completion) -> dict[str, Any]:
    facts = {
        "topic": found.topic,
        "difficulty": found.difficulty,
        "hints_used": found.hints_used,
        "local_day": found.local_day.isoformat(),
        "timezone": found.timezone,
        "cohort": found.cohort,
    }
    if found.revision:
        facts |= {"event_id": str(found.event_id), "revision": found.revision}
    return {_EXTENSION + name: value for name, value in facts.items() if value is not None}
