"""The messages of the AsyncAPI document: headers, keys and payloads."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from progress_worker.events.cloudevents import JSON, SPEC_VERSION, STRUCTURED_JSON
from progress_worker.events.commands import (
    DAYS_EXCUSED,
    ERASURE_REQUESTED,
    PREFERENCES_SET,
    RECALCULATION_REQUESTED,
)
from progress_worker.events.examples import EXAMPLES
from progress_worker.events.models import (
    ACHIEVEMENT_REVOKED,
    ACHIEVEMENT_UNLOCKED,
    ACHIEVEMENTS_BACKFILLED,
    EXERCISE_COMPLETED,
    LEARNER_ERASED,
    SKILL_LEVEL_CHANGED,
    STREAK_AT_RISK,
)

_Object: TypeAlias = dict[str, Any]

#: The version of the Kafka bindings.
BINDING: Final = "0.5.0"
_JSON_SCHEMA: Final = "application/schema+json;version=draft-2020-12"

_STRING: Final = {"type": "string", "minLength": 1}
_DEAD_LETTER_HEADERS: Final = {
    "dlq.original-topic": "The topic that the record came from.",
    "dlq.original-partition": "Its partition, decimal.",
    "dlq.original-offset": "Its offset, decimal.",
    "dlq.original-timestamp": "Its Kafka timestamp.",
    "dlq.consumer-group": "The consumer group that refused it.",
    "dlq.reason": "A stable code to filter by, such as `schema_violation`.",
    "dlq.message": "The broken rule in words, without content of the payload.",
    "dlq.failed-at": "When it was refused, RFC 3339.",
    "dlq.attempts": "How often it was tried, decimal.",
    "dlq.worker-version": "The version of the worker that refused it.",
}


def messages() -> _Object:
    """Every message by its name in the document."""
    completed = "exercise-completed.v1.json"
    found = {
        "exerciseCompleted": _event(EXERCISE_COMPLETED, completed),
        "exerciseCompletedStructured": _structured(EXERCISE_COMPLETED, completed),
        "exerciseCompletedBare": _bare(EXERCISE_COMPLETED, completed),
        "achievementUnlocked": _event(ACHIEVEMENT_UNLOCKED, "achievement-unlocked.v1.json"),
        "skillLevelChanged": _event(SKILL_LEVEL_CHANGED, "skill-level-changed.v1.json"),
        "streakAtRisk": _event(STREAK_AT_RISK, "streak-at-risk.v1.json"),
        "achievementRevoked": _event(ACHIEVEMENT_REVOKED, "achievement-revoked.v1.json"),
        "achievementsBackfilled": _event(
            ACHIEVEMENTS_BACKFILLED, "achievements-backfilled.v1.json"
        ),
        "recalculationRequested": _event(
            RECALCULATION_REQUESTED, "recalculation-requested.v1.json"
        ),
        "learnerErasureRequested": _event(ERASURE_REQUESTED, "learner-erasure-requested.v1.json"),
        "learnerErased": _event(LEARNER_ERASED, "learner-erased.v1.json"),
        "streakDaysExcused": _event(DAYS_EXCUSED, "streak-days-excused.v1.json"),
        "learnerPreferencesSet": _event(PREFERENCES_SET, "learner-preferences-set.v1.json"),
        "deadLetter": _dead_letter(),
    }
    for name, example in EXAMPLES.items():
        found[name]["examples"] = [example]
    return found


def _event(event_type: str, schema: str) -> _Object:
    """An event in binary mode: attributes in headers, data as the value."""
    attributes = {
        "ce_specversion": {"const": SPEC_VERSION},
        "ce_id": _STRING | {"description": "Identifies the event."},
        "ce_source": _STRING | {"format": "uri-reference"},
        "ce_type": {"const": event_type},
    }
    optional = {
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"const": JSON},
        "traceparent": _ref("traceparent"),
    }
    return _message(event_type, JSON, _payload({"$ref": f"./{schema}"})) | {
        "headers": _headers(attributes | optional, required=list(attributes))
    }


def _structured(event_type: str, schema: str) -> _Object:
    attributes = {
        "specversion": {"const": SPEC_VERSION},
        "id": _STRING,
        "source": _STRING | {"format": "uri-reference"},
        "type": {"const": event_type},
    }
    envelope = {
        "type": "object",
        "properties": attributes
        | {
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string"},
            "data": {"$ref": f"./{schema}"},
            "data_base64": {"type": "string", "contentEncoding": "base64"},
        },
        "required": list(attributes),
        "oneOf": [{"required": ["data"]}, {"required": ["data_base64"]}],
    }
    message = _message(f"{event_type}.structured", STRUCTURED_JSON, _payload(envelope))
    content_type = {"type": "string", "description": f"{STRUCTURED_JSON}, with any parameters."}
    return message | {
        "summary": "The whole event as the value.",
        "headers": _headers(
            {"content-type": content_type, "traceparent": _ref("traceparent")},
            required=["content-type"],
        ),
    }


def _bare(event_type: str, schema: str) -> _Object:
    data = {"allOf": [{"$ref": f"./{schema}"}, {"required": ["event_id"]}]}
    return _message(f"{event_type}.bare", JSON, _payload(data)) | {
        "summary": "A JSON value without any CloudEvents headers; `event_id` is needed."
    }


def _dead_letter() -> _Object:
    texts = {
        name: {"type": "string", "description": description}
        for name, description in _DEAD_LETTER_HEADERS.items()
    }
    return {
        "name": "dead.letter",
        "summary": "Key, value and headers are the original record's bytes, whatever they are.",
        "contentType": "application/octet-stream",
        "headers": _headers(texts, required=list(texts)),
        "payload": {},
        "bindings": {"kafka": {"key": {}, "bindingVersion": BINDING}},
    }


def _message(name: str, content_type: str, payload: _Object) -> _Object:
    return {
        "name": name,
        "contentType": content_type,
        "payload": payload,
        "bindings": {
            "kafka": {
                "key": _ref("userId"),
                "bindingVersion": BINDING,
            }
        },
    }


def _payload(schema: _Object) -> _Object:
    return {"schemaFormat": _JSON_SCHEMA, "schema": schema}


def _headers(properties: _Object, required: list[str]) -> _Object:
    return {"type": "object", "properties": properties, "required": required}


def _ref(schema: str) -> _Object:
    return {"$ref": f"#/components/schemas/{schema}"}
