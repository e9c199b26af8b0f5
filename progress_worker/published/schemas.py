"""The published contracts in `schemas/`: JSON Schemas of events and of the export, and AsyncAPI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from progress_worker.events.commands import (
    DAYS_EXCUSED,
    ERASURE_REQUESTED,
    PREFERENCES_SET,
    RECALCULATION_REQUESTED,
    LearnerErasureRequested,
    LearnerPreferencesSet,
    RecalculationRequested,
    StreakDaysExcused,
)
from progress_worker.events.models import (
    ACHIEVEMENT_REVOKED,
    ACHIEVEMENT_UNLOCKED,
    ACHIEVEMENTS_BACKFILLED,
    EXERCISE_COMPLETED,
    LEARNER_ERASED,
    SKILL_LEVEL_CHANGED,
    STREAK_AT_RISK,
    AchievementRevoked,
    AchievementsBackfilled,
    AchievementUnlocked,
    ExerciseCompleted,
    LearnerErased,
    SkillLevelChanged,
    StreakAtRisk,
)
from progress_worker.http.api.openapi import model_schemas
from progress_worker.http.api.responses_of_export import SCHEMA_FILE, SCHEMA_ID, ExportAnswer
from progress_worker.published.asyncapi import asyncapi


class _Published(NamedTuple):
    model: type[BaseModel]
    event_type: str
    mode: JsonSchemaMode


_PUBLISHED: Final = {
    "exercise-completed.v1.json": _Published(ExerciseCompleted, EXERCISE_COMPLETED, "validation"),
    "achievement-unlocked.v1.json": _Published(
        AchievementUnlocked, ACHIEVEMENT_UNLOCKED, "serialization"
    ),
    "skill-level-changed.v1.json": _Published(
        SkillLevelChanged, SKILL_LEVEL_CHANGED, "serialization"
    ),
    "streak-at-risk.v1.json": _Published(StreakAtRisk, STREAK_AT_RISK, "serialization"),
    "achievement-revoked.v1.json": _Published(
        AchievementRevoked, ACHIEVEMENT_REVOKED, "serialization"
    ),
    "achievements-backfilled.v1.json": _Published(
        AchievementsBackfilled, ACHIEVEMENTS_BACKFILLED, "serialization"
    ),
    "recalculation-requested.v1.json": _Published(
        RecalculationRequested, RECALCULATION_REQUESTED, "validation"
    ),
    "learner-erasure-requested.v1.json": _Published(
        LearnerErasureRequested, ERASURE_REQUESTED, "validation"
    ),
    "learner-erased.v1.json": _Published(LearnerErased, LEARNER_ERASED, "serialization"),
    "streak-days-excused.v1.json": _Published(StreakDaysExcused, DAYS_EXCUSED, "validation"),
    "learner-preferences-set.v1.json": _Published(
        LearnerPreferencesSet, PREFERENCES_SET, "validation"
    ),
}


def schema_files() -> dict[str, str]:
    """The contents of `schemas/` by file name, derived from the models alone."""
    schemas = {name: _json_schema(published) for name, published in _PUBLISHED.items()}
    files = {name: _json(schema) for name, schema in schemas.items()}
    files[SCHEMA_FILE] = _json(_export_schema())
    files["asyncapi.yaml"] = yaml.safe_dump(
        asyncapi(), sort_keys=False, allow_unicode=True, width=100
    )
    return files


def write_schemas(directory: Path) -> None:
    """Write every schema file into the directory, and create it if it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in schema_files().items():
        (directory / name).write_text(content, encoding="utf-8")


def _json_schema(published: _Published) -> dict[str, Any]:
    schema = published.model.model_json_schema(mode=published.mode)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:progress-worker:event:{published.event_type}",
        **_open(schema),
    }


def _export_schema() -> dict[str, Any]:
    """The schema of an export in JSON."""
    defs = "#/$defs/"
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": SCHEMA_ID,
        "$ref": defs + ExportAnswer.__name__,
        "$defs": model_schemas([ExportAnswer], defs),
    }


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """Allow unknown fields, so that a subscriber that validates accepts fields that come later."""
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    return schema


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
