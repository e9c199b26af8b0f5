"""The AsyncAPI 3.0 document: which topic carries which event, with what key and headers."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from progress_worker.events.cloudevents import JSON, SPEC_VERSION, STRUCTURED_JSON
from progress_worker.events.commands import (
    DAYS_EXCUSED,
    ERASURE_REQUESTED,
    PREFERENCES_SET,
    RECALCULATION_REQUESTED,
)
from progress_worker.events.examples import EXAMPLE_LEARNER, EXAMPLES
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

_BINDING: Final = "0.5.0"
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


def asyncapi() -> _Object:
    """The document, with the default names of the topics. Payloads refer to the files beside it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "progress_worker",
            "version": "1.0.0",
            "description": "Folds finished exercises into learners' progress and announces "
            "achievements.\n\nEvents are CloudEvents 1.0 over Kafka. We send binary mode; we "
            "accept binary mode, structured mode and bare JSON values. Unknown fields are "
            "ignored; a new major version is a new `type`.",
        },
        "defaultContentType": JSON,
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channels() -> _Object:
    return {
        "exerciseCompleted": _channel(
            "exercise-completed",
            "Finished exercises, from the exercise platform.",
            "exerciseCompleted",
            "exerciseCompletedStructured",
            "exerciseCompletedBare",
        ),
        "achievementUnlocked": _channel(
            "achievement-unlocked",
            "Unlocked achievements, for the notification service.",
            "achievementUnlocked",
        ),
        "skillLevelChanged": _channel(
            "skill-level-changed",
            "Changed skill levels. Off by default.",
            "skillLevelChanged",
        ),
        "learnerStreaks": _channel(
            "learner-streaks",
            "Warnings of streaks at risk, for the notification service. Off by default.",
            "streakAtRisk",
        ),
        "achievementChanges": _channel(
            "achievement-changes",
            "Unlocks that were lost, and digests of what a new rule book brought.",
            "achievementRevoked",
            "achievementsBackfilled",
        ),
        "learnerErased": _channel(
            "learner-erased",
            "Learners of whom everything was deleted, for all who have copies.",
            "learnerErased",
        ),
        "deadLetter": _channel(
            "exercise-completed.dlq",
            "Records that could not be applied, for operators.",
            "deadLetter",
        ),
        "progressCommands": _channel(
            "progress-commands",
            "Commands of operators and of the platform to the worker.",
            "recalculationRequested",
            "streakDaysExcused",
            "learnerPreferencesSet",
            "learnerErasureRequested",
        ),
        "commandDeadLetter": _channel(
            "progress-commands.dlq",
            "Commands that could not be carried out, for operators.",
            "deadLetter",
        ),
    }


def _channel(topic: str, description: str, *messages: str) -> _Object:
    return {
        "address": topic,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": _BINDING}},
    }


def _operations() -> _Object:
    return {
        "receiveExerciseCompleted": _operation(
            "receive", "exerciseCompleted", "Fold a finished exercise into the learner's progress."
        ),
        "receiveProgressCommand": _operation(
            "receive", "progressCommands", "Carry out what is asked for one learner."
        ),
        "sendAchievementUnlocked": _operation(
            "send",
            "achievementUnlocked",
            "At least once per learner, achievement and occurrence, always with the same id.",
        ),
        "sendSkillLevelChanged": _operation(
            "send", "skillLevelChanged", "At least once per change, always with the same id."
        ),
        "sendStreakAtRisk": _operation(
            "send",
            "learnerStreaks",
            "At least once per learner and local day on which a warning is due, always with the "
            "same id.",
        ),
        "sendAchievementRevoked": _operation(
            "send", "achievementChanges", "At least once per loss, always with the same id."
        ),
        "sendAchievementsBackfilled": _operation(
            "send",
            "achievementChanges",
            "At least once per learner and rule book that asks for it, always with the same id.",
        ),
        "sendLearnerErased": _operation(
            "send", "learnerErased", "At least once per erasure, always with the same id."
        ),
        "sendDeadLetter": _operation(
            "send", "deadLetter", "The record with its key, value and headers untouched."
        ),
        "sendCommandDeadLetter": _operation(
            "send", "commandDeadLetter", "The command with its key, value and headers untouched."
        ),
    }


def _operation(action: str, channel: str, summary: str) -> _Object:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
    }


def _messages() -> _Object:
    completed = "exercise-completed.v1.json"
    messages = {
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
        messages[name]["examples"] = [example]
    return messages


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
        "bindings": {"kafka": {"key": {}, "bindingVersion": _BINDING}},
    }


def _message(name: str, content_type: str, payload: _Object) -> _Object:
    return {
        "name": name,
        "contentType": content_type,
        "payload": payload,
        "bindings": {
            "kafka": {
                "key": _ref("userId"),
                "bindingVersion": _BINDING,
            }
        },
    }


def _payload(schema: _Object) -> _Object:
    return {"schemaFormat": _JSON_SCHEMA, "schema": schema}


def _headers(properties: _Object, required: list[str]) -> _Object:
    return {"type": "object", "properties": properties, "required": required}


def _ref(schema: str) -> _Object:
    return {"$ref": f"#/components/schemas/{schema}"}


def _schemas() -> _Object:
    return {
        "userId": {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "examples": [EXAMPLE_LEARNER],
            "description": "The record key of every event: the user id, UTF-8. A record that we "
            "receive may have no key, but not another one.",
        },
        "traceparent": {
            "type": "string",
            "description": "W3C Trace Context; left out when there is none.",
        },
    }
