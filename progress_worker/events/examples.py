"""A complete example of every event, for the AsyncAPI document."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from typing import Any, Final, TypeAlias

from progress_worker.events.cloudevents import JSON, SPEC_VERSION, STRUCTURED_JSON
from progress_worker.events.commands import (
    DAYS_EXCUSED,
    ERASURE_REQUESTED,
    PREFERENCES_SET,
    RECALCULATION_REQUESTED,
)
from progress_worker.events.identities import (
    backfilled_event_id,
    revoked_event_id,
    streak_at_risk_event_id,
    unlock_event_id,
)
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

#: The record key of every example.
EXAMPLE_LEARNER: Final = "ana"

_COMPLETION: Final = "5f0c6d1e-8a4b-4c56-9d3f-2b7e1a9c0d01"
_COMPLETED_AT: Final = "2025-11-20T18:30:00+01:00"
_UNLOCK: Final = str(unlock_event_id(EXAMPLE_LEARNER, "first_step"))
_DIGEST: Final = sha256(b"a rule book").hexdigest()
_WARNED_ON: Final = dt.date(2025, 11, 23)
_WARNING: Final = str(streak_at_risk_event_id(EXAMPLE_LEARNER, _WARNED_ON))
_LEVEL_CHANGE: Final = "c2b1f7b4-1f0e-5d0a-9f5c-7a9e4d3b2c10"
_COMMAND: Final = "9b2f4c3e-6d1a-4e7b-8c5d-0a1b2c3d4e5f"
_PLATFORM: Final = "/exercise-platform"
_WORKER: Final = "/progress-worker"

_COMPLETED: Final = {
    "event_id": _COMPLETION,
    "user_id": EXAMPLE_LEARNER,
    "exercise_id": "two-sum",
    "topic": "algorithms",
    "difficulty": "medium",
    "grade": 87.5,
    "time_spent_seconds": 540,
    "hints_used": 1,
    "completed_at": _COMPLETED_AT,
    "timezone": "Europe/Berlin",
}
_UNLOCKED: Final = {
    "event_id": _UNLOCK,
    "user_id": EXAMPLE_LEARNER,
    "achievement_id": "first_step",
    "name": "First Step",
    "description": "You finished your first exercise. Every expert once did just that.",
    "category": "milestones",
    "tier": "bronze",
    "points": 10,
    "icon": "footprints",
    "unlocked_at": _COMPLETED_AT,
    "triggering_event_id": _COMPLETION,
    "criteria": {"measure": "exercises_completed", "value": 1, "target": 1, "parts": []},
    "rule_version": 1,
    "backdated": False,
    "occurrence": 1,
    "generation": 1,
    "family": None,
    "rules_digest": _DIGEST,
    "quiet": False,
}
_REVOKED: Final = {
    "event_id": str(revoked_event_id(EXAMPLE_LEARNER, "first_step", 1, 1)),
    "user_id": EXAMPLE_LEARNER,
    "achievement_id": "first_step",
    "occurrence": 1,
    "generation": 1,
    "unlock_event_id": _UNLOCK,
    "reason": "revoked",
    "revoked_at": "2025-11-21T08:00:00Z",
    "rule_version": 1,
}
_BACKFILLED: Final = {
    "event_id": str(backfilled_event_id(EXAMPLE_LEARNER, _DIGEST)),
    "user_id": EXAMPLE_LEARNER,
    "rule_version": 2,
    "rules_digest": _DIGEST,
    "quiet": False,
    "achievements": [
        {
            "event_id": _UNLOCK,
            "achievement_id": "first_step",
            "name": "First Step",
            "category": "milestones",
            "tier": "bronze",
            "points": 10,
            "icon": "footprints",
            "unlocked_at": _COMPLETED_AT,
            "occurrence": 1,
            "generation": 1,
        }
    ],
}
_LEVEL_CHANGED: Final = {
    "event_id": _LEVEL_CHANGE,
    "user_id": EXAMPLE_LEARNER,
    "topic": "algorithms",
    "previous_level": "beginner",
    "level": "intermediate",
    "changed_at": _COMPLETED_AT,
    "triggering_event_id": _COMPLETION,
    "exercises_completed": 10,
    "average_grade": 87.5,
}
_AT_RISK: Final = {
    "event_id": _WARNING,
    "user_id": EXAMPLE_LEARNER,
    "local_day": str(_WARNED_ON),
    "length": 12,
    "freezes_left": 0,
    "timezone": "Europe/Berlin",
    "expires_at": "2025-11-23T23:00:00Z",
}


def _binary(event_type: str, event_id: str, source: str, data: _Object) -> _Object:
    headers = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": event_id,
        "ce_source": source,
        "ce_type": event_type,
        "content-type": JSON,
    }
    return {"headers": headers, "payload": data}


_EXCUSED: Final = {
    "excuse_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "revision": 0,
    "user_id": EXAMPLE_LEARNER,
    "issued_at": "2026-12-20T18:00:00+01:00",
    "kind": "pause",
    "first_day": "2026-12-24",
    "last_day": "2026-12-26",
}
_PREFERRED: Final = {
    "user_id": EXAMPLE_LEARNER,
    "revision": 1,
    "issued_at": "2026-12-01T18:00:00+01:00",
    "boards": "named",
    "display_name": "Ana",
    "gamification": "quiet",
    "goal": {"measure": "active_days", "target": 4, "by": None},
}

_ERASURE: Final = "3d813cbb-47fb-42ba-91df-831e1593ac29"
_ERASURE_REQUESTED: Final = {
    "erasure_id": _ERASURE,
    "user_id": EXAMPLE_LEARNER,
    "requested_at": "2026-12-01T09:00:00+01:00",
}
_ERASED: Final = {"erasure_id": _ERASURE, "erased_at": "2026-12-01T08:00:01Z"}

_STRUCTURED: Final = {
    "headers": {"content-type": STRUCTURED_JSON},
    "payload": {
        "specversion": SPEC_VERSION,
        "id": _COMPLETION,
        "source": _PLATFORM,
        "type": EXERCISE_COMPLETED,
        "datacontenttype": JSON,
        "data": _COMPLETED,
    },
}

#: By the name of the message in the AsyncAPI document; the record key is the learner.
EXAMPLES: Final[dict[str, _Object]] = {
    "exerciseCompleted": _binary(EXERCISE_COMPLETED, _COMPLETION, _PLATFORM, _COMPLETED),
    "exerciseCompletedStructured": _STRUCTURED,
    "exerciseCompletedBare": {"payload": _COMPLETED},
    "achievementUnlocked": _binary(ACHIEVEMENT_UNLOCKED, _UNLOCK, _WORKER, _UNLOCKED),
    "skillLevelChanged": _binary(SKILL_LEVEL_CHANGED, _LEVEL_CHANGE, _WORKER, _LEVEL_CHANGED),
    "streakAtRisk": _binary(STREAK_AT_RISK, _WARNING, _WORKER, _AT_RISK),
    "achievementRevoked": _binary(
        ACHIEVEMENT_REVOKED, str(_REVOKED["event_id"]), _WORKER, _REVOKED
    ),
    "achievementsBackfilled": _binary(
        ACHIEVEMENTS_BACKFILLED, str(_BACKFILLED["event_id"]), _WORKER, _BACKFILLED
    ),
    "recalculationRequested": _binary(
        RECALCULATION_REQUESTED, _COMMAND, "/operations", {"user_id": EXAMPLE_LEARNER}
    ),
    "learnerErasureRequested": _binary(ERASURE_REQUESTED, _COMMAND, _PLATFORM, _ERASURE_REQUESTED),
    "learnerErased": _binary(LEARNER_ERASED, _ERASURE, _WORKER, _ERASED),
    "streakDaysExcused": _binary(DAYS_EXCUSED, _COMMAND, _PLATFORM, _EXCUSED),
    "learnerPreferencesSet": _binary(PREFERENCES_SET, _COMMAND, _PLATFORM, _PREFERRED),
}
