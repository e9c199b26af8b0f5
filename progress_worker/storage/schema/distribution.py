"""Distributes the learner tables by user_id over the nodes of a Citus cluster.

Tables that are distributed already are left alone, so that it can be run again. Postgres moves the
rows that are there, and nobody can write to a table meanwhile.
"""

from __future__ import annotations

from typing import Final, LiteralString

import psycopg

from progress_worker.errors import FatalError
from progress_worker.storage.schema.tables import LEARNER_TABLES
from progress_worker.storage.sessions import connect_owner, first_line

_KEY: Final = "user_id"

_INSTALLED: Final[LiteralString] = "SELECT to_regclass('pg_dist_partition') IS NOT NULL"
_DISTRIBUTED: Final[LiteralString] = (
    "SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = %s::regclass)"
)
_FIRST: Final[LiteralString] = (
    "SELECT create_distributed_table(%s, %s, colocate_with => 'none', shard_count => %s)"
)
_NEXT: Final[LiteralString] = "SELECT create_distributed_table(%s, %s, colocate_with => %s)"


def distribute(url: str, shards: int) -> list[str]:
    """Distribute the tables that are not yet, in one transaction; returns their names.

    Raises FatalError with one sentence when Postgres cannot be reached, refuses, or is no Citus.
    """
    try:
        with connect_owner(url) as connection:
            if not _holds(connection, _INSTALLED):
                raise FatalError(
                    "This database has no Citus: run CREATE EXTENSION citus in it, on every node, "
                    "or do not distribute it."
                )
            return _distribute(connection, shards)
    except psycopg.Error as error:
        raise FatalError(f"The tables were not distributed: {first_line(error)}") from error


def _distribute(connection: psycopg.Connection[tuple[object, ...]], shards: int) -> list[str]:
    first, *others = (table.name for table in LEARNER_TABLES)
    done = []
    if not _holds(connection, _DISTRIBUTED, first):
        connection.execute(_FIRST, [first, _KEY, shards])
        done.append(first)
    for name in others:
        if not _holds(connection, _DISTRIBUTED, name):
            connection.execute(_NEXT, [name, _KEY, first])
            done.append(name)
    return done


def _holds(
    connection: psycopg.Connection[tuple[object, ...]], query: LiteralString, *parameters: object
) -> bool:
    row = connection.execute(query, parameters or None).fetchone()
    return row is not None and row[0] is True
