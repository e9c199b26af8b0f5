"""The statements that read a whole table of one learner, for a cursor, and what goes with them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, Table, bindparam, exists, func, select
from sqlalchemy import text as sql

from progress_worker.domain.totals import SUMS
from progress_worker.storage.preferences import COLUMNS as PREFERENCE_COLUMNS
from progress_worker.storage.rows import COMPLETION, EXCUSE
from progress_worker.storage.schema.tables import (
    achievement_unlock,
    completion,
    excuse,
    learner_day,
    learner_preference,
)
from progress_worker.storage.unlock_records import UNLOCK_RECORD

_UNLOCK: Final = achievement_unlock.c


def _table(table: Table, columns: tuple[str, ...], *order: str) -> Select[Any]:
    """The columns of every row of the learner, in this order."""
    return (
        select(*(table.c[name] for name in columns))
        .where(table.c.user_id == bindparam("user_id"))
        .order_by(*(table.c[name] for name in order))
        .prefix_with(sql(f"/* progress-view: {table.name} */"))
    )


#: Every completion, revoked ones too, oldest first.
COMPLETIONS: Final = _table(completion, COMPLETION.columns, "completed_at", "event_id")

#: Every excuse at its highest revision, revoked ones too.
EXCUSES: Final = _table(excuse, EXCUSE.columns, "first_day", "excuse_id")

#: The learner's preferences, one row at most.
PREFERENCE_ROWS: Final = _table(learner_preference, PREFERENCE_COLUMNS)

_DAY_KEY: Final = ("local_day", "topic", "difficulty")
#: The sums of every day, per topic and difficulty.
DAYS: Final = _table(learner_day, (*_DAY_KEY, *SUMS), *_DAY_KEY).where(
    learner_day.c.completions > 0
)

#: The unlocks of one achievement.
UNLOCKS: Final = (
    select(*(_UNLOCK[name] for name in UNLOCK_RECORD.columns))
    .where(
        _UNLOCK.user_id == bindparam("user_id"),
        _UNLOCK.achievement_id == bindparam("achievement_id"),
    )
    .prefix_with(sql("/* progress-view: unlocks */"))
)

#: Every unlock with its local day, and whether the completion that triggered it still counts.
EVERY_UNLOCK: Final = _table(
    achievement_unlock,
    (*UNLOCK_RECORD.columns, "local_day"),
    "unlocked_at",
    "achievement_id",
    "occurrence",
).add_columns(
    exists()
    .where(
        completion.c.user_id == _UNLOCK.user_id,
        completion.c.event_id == _UNLOCK.triggering_event_id,
        ~completion.c.revoked,
    )
    .label("still_counts")
)

#: The versions of the rule books that gave the learner's unlocks, in one row.
UNLOCK_VERSIONS: Final = (
    select(func.array_agg(_UNLOCK.rule_version.distinct()).label("versions"))
    .where(_UNLOCK.user_id == bindparam("user_id"))
    .prefix_with(sql("/* progress-view: unlock versions */"))
)
