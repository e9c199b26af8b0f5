"""The published schemas: generated from the models, and accepting what the models accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel, ValidationError

from progress_worker.events.commands import LearnerPreferencesSet, RecalculationRequested
from progress_worker.events.models import (
    AchievementRevoked,
    AchievementsBackfilled,
    AchievementUnlocked,
    ExerciseCompleted,
    SkillLevelChanged,
    StreakAtRisk,
)
from progress_worker.published.schemas import schema_files, write_schemas

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "schemas"
COMPLETED = "exercise-completed.v1.json"
RECALCULATION = "recalculation-requested.v1.json"
PREFERENCES = "learner-preferences-set.v1.json"
MODELS: dict[str, type[BaseModel]] = {
    COMPLETED: ExerciseCompleted,
    RECALCULATION: RecalculationRequested,
    PREFERENCES: LearnerPreferencesSet,
    "achievement-unlocked.v1.json": AchievementUnlocked,
    "skill-level-changed.v1.json": SkillLevelChanged,
    "streak-at-risk.v1.json": StreakAtRisk,
    "achievement-revoked.v1.json": AchievementRevoked,
    "achievements-backfilled.v1.json": AchievementsBackfilled,
}
EVENT: dict[str, Any] = {
    "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "user_id": "learner-17",
    "exercise_id": "two-sum",
    "topic": "algorithms",
    "difficulty": "medium",
    "grade": 87.5,
    "time_spent_seconds": 540,
    "hints_used": 1,
    "completed_at": "2026-11-23T01:30:00+02:00",
}
LEVEL_CHANGE: dict[str, Any] = {
    "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "user_id": "learner-17",
    "topic": "algorithms",
    "previous_level": "beginner",
    "level": "intermediate",
    "changed_at": "2026-11-23T01:30:00Z",
    "triggering_event_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "exercises_completed": 10,
    "average_grade": None,
}
AT_RISK: dict[str, Any] = {
    "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "user_id": "learner-17",
    "local_day": "2026-11-23",
    "length": 12,
    "freezes_left": 0,
    "timezone": "Europe/Berlin",
    "expires_at": "2026-11-23T23:00:00Z",
}
UNLOCK: dict[str, Any] = {
    "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "user_id": "learner-17",
    "achievement_id": "first-steps",
    "name": "First steps",
    "description": "Finish an exercise",
    "category": "practice",
    "tier": "bronze",
    "points": 5,
    "icon": "footprints",
    "unlocked_at": "2026-11-23T01:30:00Z",
    "triggering_event_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "criteria": {
        "measure": "parts_met",
        "value": 1,
        "target": 1,
        "parts": [{"measure": "exercises_completed", "value": 1, "target": 1, "parts": []}],
    },
    "rule_version": 1,
    "backdated": False,
    "occurrence": 202648,
    "generation": 2,
    "family": None,
    "rules_digest": "0" * 64,
    "quiet": False,
}
#: Events that were published before these fields came lack them.
CAME_LATER = {"occurrence", "generation", "family", "rules_digest", "quiet"}
REVOKED: dict[str, Any] = {
    "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "user_id": "learner-17",
    "achievement_id": "first_steps",
    "occurrence": 1,
    "generation": 1,
    "unlock_event_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "reason": "rules",
    "revoked_at": "2026-11-23T01:30:00Z",
    "rule_version": 2,
}
BACKFILLED: dict[str, Any] = {
    "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "user_id": "learner-17",
    "rule_version": 2,
    "rules_digest": "0" * 64,
    "quiet": False,
    "achievements": [
        {
            "event_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
            "achievement_id": "first_steps",
            "name": "First steps",
            "category": "practice",
            "tier": "bronze",
            "points": 5,
            "icon": "footprints",
            "unlocked_at": "2026-11-23T01:30:00Z",
            "occurrence": 1,
            "generation": 1,
        }
    ],
}


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((COMMITTED / name).read_text("utf-8"))
    return Draft202012Validator(schema, format_checker=FormatChecker(["uuid"]))


def model_accepts(name: str, data: object) -> bool:
    try:
        MODELS[name].model_validate_json(json.dumps(data))
    except ValidationError:
        return False
    return True


def test_the_committed_files_are_the_generated_ones() -> None:
    """After a wanted change: `progress-worker schemas`, and look at the difference."""
    committed = {path.name: path.read_text("utf-8") for path in COMMITTED.iterdir()}
    committed.pop("openapi.json", None)  # the view's, checked with the view
    assert committed == schema_files()


def test_writing_makes_the_directory(tmp_path: Path) -> None:
    write_schemas(tmp_path / "deep" / "schemas")
    written = (tmp_path / "deep" / "schemas").iterdir()
    assert {path.name: path.read_text("utf-8") for path in written} == schema_files()


@pytest.mark.parametrize("name", MODELS)
def test_a_schema_is_valid_itself_and_explains_every_field(name: str) -> None:
    schema = json.loads((COMMITTED / name).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    for part in (schema, *schema.get("$defs", {}).values()):
        for field, rule in part["properties"].items():
            assert rule.get("description") or "$ref" in rule, field
        assert "additionalProperties" not in part


GOOD = [
    {},
    {"event_id": None},
    {"revision": 0},
    {"revision": 2**31 - 1},
    {"revoked": True},
    {"user_id": "😀" * 128},
    {"user_id": "a\nb"},
    {"grade": None},
    {"grade": 0},
    {"grade": 100},
    {"grade": 33.333333},
    {"time_spent_seconds": 60.0},
    {"hints_used": 1000},
    {"completed_at": "2026-11-23t01:30:00.123456789z"},
    {"completed_at": "2026-11-23T01:30:00-00:00"},
    {"timezone": None},
    {"timezone": "Europe/Berlin"},
    {"unknown": {"deep": [1]}},
]
BAD = [
    *({name: None} for name in EVENT if name not in ("event_id", "grade")),
    *({name: []} for name in EVENT),
    *({name: {}} for name in EVENT),
    {"event_id": "x"},
    {"revision": -1},
    {"revision": 2**31},
    {"revision": 1.5},
    {"revision": True},
    {"revision": None},
    {"revoked": 1},
    {"revoked": "true"},
    {"user_id": ""},
    {"user_id": "x" * 129},
    {"user_id": "a\0"},
    {"exercise_id": "x" * 257},
    {"topic": ""},
    {"difficulty": "EASY"},
    {"grade": -0.001},
    {"grade": 100.001},
    {"grade": "87"},
    {"grade": True},
    {"time_spent_seconds": 86_401},
    {"time_spent_seconds": "5"},
    {"hints_used": 0.5},
    {"completed_at": "2026-11-23"},
    {"completed_at": "2026-11-23T01:30:00"},
    {"completed_at": "2026-11-23 01:30:00Z"},
    {"completed_at": "2026-11-23T01:30:00+0200"},
    {"completed_at": "2026-13-23T01:30:00Z"},
    {"completed_at": "1700000000"},
    {"completed_at": 1_700_000_000},
    {"timezone": ""},
    {"timezone": "x" * 65},
]


@pytest.mark.parametrize("changes", GOOD)
def test_both_accept(changes: dict[str, Any]) -> None:
    event = {**EVENT, **changes}
    assert validator(COMPLETED).is_valid(event)
    assert model_accepts(COMPLETED, event)


@pytest.mark.parametrize("changes", BAD)
def test_both_refuse(changes: dict[str, Any]) -> None:
    event = {**EVENT, **changes}
    assert not validator(COMPLETED).is_valid(event)
    assert not model_accepts(COMPLETED, event)


@pytest.mark.parametrize("field", EVENT)
def test_both_ask_for_the_same_fields(field: str) -> None:
    event = {name: value for name, value in EVENT.items() if name != field}
    optional = field == "event_id"
    assert validator(COMPLETED).is_valid(event) is optional
    assert model_accepts(COMPLETED, event) is optional


@pytest.mark.parametrize(
    ("command", "good"),
    [
        ({"user_id": "u"}, True),
        ({"user_id": "u", "topic": None, "more": 1}, True),
        ({}, False),
        ({"user_id": ""}, False),
        ({"user_id": "u", "topic": ""}, False),
    ],
)
def test_both_judge_a_command_alike(command: dict[str, Any], good: bool) -> None:
    assert validator(RECALCULATION).is_valid(command) is good
    assert model_accepts(RECALCULATION, command) is good


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"more": 1, "goal": {"measure": "minutes", "target": 30.0, "more": 1}}, True),
        ({"display_name": None, "goal": None}, True),
        ({"display_name": "x" * 40, "boards": "named"}, True),
        ({"display_name": "x" * 41}, False),
        ({"display_name": ""}, False),
        ({"boards": "friends"}, False),
        ({"gamification": None}, False),
        ({"goal": {"measure": "minutes"}}, False),
        ({"goal": {"measure": "minutes", "target": 0}}, False),
        ({"goal": {"measure": "minutes", "target": 5, "by": "2101-01-01"}}, False),
        ({"revision": None}, False),
        ({"issued_at": None}, False),
    ],
)
def test_both_judge_preferences_alike(changes: dict[str, Any], good: bool) -> None:
    command = {"user_id": "u", "revision": 0, "issued_at": "2026-03-20T12:00:00Z"} | changes
    assert validator(PREFERENCES).is_valid(command) is good
    assert model_accepts(PREFERENCES, command) is good


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("achievement-unlocked.v1.json", UNLOCK),
        ("skill-level-changed.v1.json", LEVEL_CHANGE),
        ("streak-at-risk.v1.json", AT_RISK),
        ("achievement-revoked.v1.json", REVOKED),
        ("achievements-backfilled.v1.json", BACKFILLED),
    ],
)
def test_what_we_send_fits_its_schema(name: str, event: dict[str, Any]) -> None:
    sent = json.loads(MODELS[name].model_validate_json(json.dumps(event)).model_dump_json())
    assert sent == event
    validator(name).validate(sent)
    for field in event.keys() - CAME_LATER:
        rest = {other: value for other, value in event.items() if other != field}
        assert not validator(name).is_valid(rest)
    with pytest.raises(ValidationError):
        MODELS[name].model_validate_json(json.dumps({**event, "undeclared": 1}))


@pytest.mark.parametrize(
    ("translations", "good"),
    [
        ({"de": {"name": "Erste Schritte", "description": "Schließ eine Aufgabe ab"}}, True),
        ({"de": {"name": "Erste Schritte"}}, False),
        ({"de": "Erste Schritte"}, False),
        (["de"], False),
    ],
)
def test_translations_of_an_unlock_are_optional_and_complete(
    translations: object, good: bool
) -> None:
    name, event = "achievement-unlocked.v1.json", {**UNLOCK, "translations": translations}
    assert validator(name).is_valid(event) is good
    assert model_accepts(name, event) is good
