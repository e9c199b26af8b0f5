"""Settings of a database or a role that change how a session reads, writes or ends."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from progress_worker.embedded.database import OWNER_ROLE, Database

#: Each changes how values are read or written, what a transaction sees, or when a session ends.
HOSTILE: Mapping[str, str] = {
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kolkata",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "row_security": "on",
    "statement_timeout": "1s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
    "idle_session_timeout": "1s",
    "transaction_timeout": "1s",
    "synchronous_commit": "off",
    "enable_seqscan": "on",
    "plan_cache_mode": "force_custom_plan",
}
DATE_STYLES = ("German", "SQL, DMY", "SQL, MDY", "Postgres, DMY", "Postgres, MDY", "ISO, DMY")


def alter(database: Database, settings: Mapping[str, str], *, role: str | None = None) -> None:
    """Set them for a role in this database, or for every session that is not the owner's."""
    who = "DATABASE {database}" if role is None else "ROLE {role} IN DATABASE {database}"
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        for name, value in settings.items():
            # A list of values is not one quoted text.
            given = sql.SQL(", ").join(map(sql.Literal, value.split(", ")))
            owner.execute(
                sql.SQL(f"ALTER {who} SET {{name}} TO {{value}}").format(
                    database=sql.Identifier(database.name),
                    role=sql.Identifier(role or OWNER_ROLE),
                    name=sql.Identifier(name),
                    value=given,
                )
            )
