"""The columns of each table that we read and write, and the statements that follow from them.

A table's types and key stand in `schema.tables`. The order of the columns here is the order of the
values in a row. Each parameter of a statement is an array with the values of one column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from progress_worker.domain.totals import SUMS
from progress_worker.storage import preferences
from progress_worker.storage.schema import local_tables, tables

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


class Rows:
    """Some columns of a table, in the order of the values in our rows."""

    def __init__(self, table: Table, columns: Iterable[str]) -> None:
        self.table = table.name
        self.columns = tuple(columns)
        self.types = tuple(_type_of(table.c[name]) for name in self.columns)
        self.key = tuple(name for name in self.columns if table.c[name].primary_key)
        self.values = tuple(name for name in self.columns if name not in self.key)

    @property
    def into(self) -> str:
        """The table with its columns, as INSERT and COPY name them."""
        return f"{self.table} ({', '.join(self.columns)})"

    @property
    def select(self) -> str:
        """Reads all rows: `WHERE` or `JOIN` may follow."""
        return f"SELECT {', '.join(self.columns)} FROM {self.table}"

    @property
    def select_of_learners(self) -> str:
        """Reads the rows of some learners."""
        return f"{self.select} WHERE user_id = ANY(%s::text[])"

    def select_wanted(self, *key: str) -> str:
        """Reads the rows with these values of the first columns of the key."""
        names = ", ".join(key)
        wanted = f"unnest({self._arrays(key)}) AS wanted ({names})"
        return f"{self.select} JOIN {wanted} USING ({names})"

    @property
    def insert(self) -> str:
        """Adds rows that are known to be new."""
        return f"INSERT INTO {self.into} SELECT * FROM unnest({self._arrays(self.columns)})"

    @property
    def upsert(self) -> str:
        """Adds rows, or replaces the values of those that are there."""
        values = ", ".join(f"{name} = excluded.{name}" for name in self.values)
        return f"{self.insert} ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {values}"

    @property
    def update(self) -> str:
        """Replaces the values of rows that are known to be there; returns a row for each."""
        values = ", ".join(f"{name} = n.{name}" for name in self.values)
        return (
            f"UPDATE {self.table} AS t SET {values} FROM {self.given(self.columns)}"
            f" WHERE {self._same_key} RETURNING true"
        )

    @property
    def delete(self) -> str:
        """Deletes rows by their keys."""
        return f"DELETE FROM {self.table} AS t USING {self.given(self.key)} WHERE {self._same_key}"

    @property
    def _same_key(self) -> str:
        return " AND ".join(f"t.{name} = n.{name}" for name in self.key)

    def given(self, columns: Sequence[str]) -> str:
        """The values of these columns as a table `n`, made from arrays."""
        return f"unnest({self._arrays(columns)}) AS n ({', '.join(columns)})"

    def _arrays(self, columns: Iterable[str]) -> str:
        types = dict(zip(self.columns, self.types, strict=True))
        return ", ".join(f"%s::{types[name]}[]" for name in columns)


def _type_of(column: Column[object]) -> str:
    """The type's name in Postgres, which psycopg knows too."""
    return column.type.compile(dialect=_DIALECT).lower()


COMPLETION: Final = Rows(tables.completion, Completion._fields)
TOTAL: Final = Rows(tables.learner_total, ("user_id", "topic", "difficulty", *SUMS))
DAY: Final = Rows(tables.learner_day, ("user_id", "local_day", "topic", "difficulty", *SUMS))
COUNTER: Final = Rows(tables.learner_counter, ("user_id", "key", "bucket", "n"))
LEVEL: Final = Rows(
    tables.skill_level, ("user_id", "topic", "level", "previous_level", "level_updated_at")
)
#: What a save writes of a level: also the learner's version that changed it.
SAVED_LEVEL: Final = Rows(tables.skill_level, (*LEVEL.columns, "learner_version"))
UNLOCK: Final = Rows(
    tables.achievement_unlock,
    (
        "user_id",
        "achievement_id",
        "unlocked_at",
        "local_day",
        "triggering_event_id",
        "rule_version",
        "measure",
        "value",
        "target",
        "backdated",
        "learner_version",
        "occurrence",
        "generation",
        "evidence",
        "rules_digest",
    ),
)
LEARNER: Final = Rows(
    tables.learner,
    (
        "user_id",
        "version",
        "active_days",
        "timezone",
        "timezone_at",
        "timezone_event_id",
        "counters",
        "rule_book",
        "utc_offset_minutes",
        "day_starts_at",
        "day_starts_completed_at",
        "day_starts_event_id",
        "least_day_offset",
        "most_day_offset",
        "lost_unlocks",
        "erased_until",
        "gamification",
    ),
)
EXCUSE: Final = Rows(tables.excuse, Excuse._fields)
PREFERENCE: Final = Rows(tables.learner_preference, ("user_id", *preferences.COLUMNS))
#: What a save writes of a streak's expiry, and all of it.
SAVED_EXPIRY: Final = Rows(tables.streak_expiry, ("user_id", "expires_at"))
EXPIRY: Final = Rows(tables.streak_expiry, (*SAVED_EXPIRY.columns, "warned_for", "warned_on"))
OUTBOX: Final = Rows(local_tables.outbox, ("topic", "key", "value", "headers"))
RULE_BOOK: Final = Rows(local_tables.rule_book, ("version", "name", "digest", "format", "content"))
