"""What each role may do with each table: no more than its statements need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from progress_worker.storage.schema.local_tables import (
    achievement_rarity,
    command_position,
    erasure,
    erasure_pepper,
    erasure_receipt,
    outbox,
    rule_book,
    running_worker,
    walk,
)
from progress_worker.storage.schema.tables import (
    achievement_unlock,
    completion,
    excuse,
    learner,
    learner_counter,
    learner_day,
    learner_preference,
    learner_total,
    skill_level,
    streak_expiry,
)

Privileges = Mapping[str, tuple[str, ...]]

REVISION_TABLE: Final = "alembic_version"

#: The worker deletes learners when they are erased. It deletes completions also if a retention is
#: set, and unlocks where the rule book says that they can be lost.
WORKER: Final[Privileges] = {
    learner.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    completion.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    excuse.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    learner_preference.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    learner_total.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    learner_day.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    learner_counter.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    skill_level.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    achievement_unlock.name: ("SELECT", "INSERT", "DELETE"),
    streak_expiry.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    outbox.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    erasure.name: ("SELECT", "INSERT", "UPDATE"),
    erasure_receipt.name: ("SELECT", "INSERT"),
    erasure_pepper.name: ("SELECT", "INSERT"),
    rule_book.name: ("SELECT", "INSERT"),
    running_worker.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    walk.name: ("SELECT", "INSERT", "UPDATE"),
    command_position.name: ("SELECT", "INSERT", "UPDATE"),
    achievement_rarity.name: ("SELECT", "INSERT", "UPDATE"),
    REVISION_TABLE: ("SELECT",),
}
VIEW: Final[Privileges] = {
    **{
        table.name: ("SELECT",)
        for table in (
            learner,
            completion,
            learner_preference,
            excuse,
            learner_total,
            learner_day,
            skill_level,
            achievement_unlock,
        )
    },
    rule_book.name: ("SELECT",),
    achievement_rarity.name: ("SELECT",),
    REVISION_TABLE: ("SELECT",),
}
