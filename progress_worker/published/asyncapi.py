"""The AsyncAPI 3.0 document: which topic carries which event, with what key and headers."""

from __future__ import annotations

from typing import Any, TypeAlias

from progress_worker.events.cloudevents import JSON
from progress_worker.events.examples import EXAMPLE_LEARNER
from progress_worker.published.messages import BINDING, messages

_Object: TypeAlias = dict[str, Any]


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
        "components": {"messages": messages(), "schemas": _schemas()},
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
        "bindings": {"kafka": {"topic": topic, "bindingVersion": BINDING}},
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
