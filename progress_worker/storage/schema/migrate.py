"""Brings a database to the schema of this release, one process at a time, and grants the roles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from progress_worker.errors import FatalError
from progress_worker.storage.schema import privileges, revisions
from progress_worker.storage.sessions import connect_owner, first_line

#: The advisory lock that a migration holds; any number that nobody else uses.
_MIGRATION_LOCK: Final = 7_281_936_401
_PATIENCE_SECONDS: Final = 120.0
#: Everybody else who wants a table waits behind a migration that waits for it. So the migration
#: gives up soon and tries again.
_LOCK_TIMEOUT: Final = "2s"
_PAUSE_SECONDS: Final = 0.5


def migrate(
    url: str,
    revision: str = "head",
    worker_role: str = "progress_worker",
    view_role: str = "progress_view",
) -> str:
    """Migrate the database at `url` to `revision` (up or down) and grant the two roles.

    Returns the revision that it is at afterwards. With `head`, a database that a later release has
    migrated is left alone. Waits at most two minutes for another migration and for locks. Raises
    FatalError with one sentence when the database cannot be reached or refuses, or when there is no
    such revision.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        with _locked(url, deadline) as connection:
            current = _current(connection)
            if revision == "head" and current is not None and current > revisions.head_revision():
                return current
            if _moved_up(connection, revision, deadline):
                grant_roles(url, worker_role, view_role)
            return _current(connection) or "base"
    except (psycopg.Error, DBAPIError, CommandError) as error:
        raise FatalError(f"The migration failed: {first_line(error)}") from error


def _moved_up(connection: Connection, revision: str, deadline: float) -> bool:
    """Whether it went up to the revision, and not down; tries again while locks are in the way."""
    configuration = _configuration(connection)
    while True:
        down = revision in _behind(_current(connection), configuration)
        try:
            (command.downgrade if down else command.upgrade)(configuration, revision)
        except DBAPIError as error:
            in_the_way = psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected
            if not isinstance(error.orig, in_the_way) or time.monotonic() > deadline:
                raise
            connection.rollback()
            time.sleep(_PAUSE_SECONDS)
        else:
            return not down


def grant_roles(url: str, worker_role: str, view_role: str) -> None:
    """Create the two roles if they are missing, and grant just what they need on our tables."""
    every_table = sql.SQL(", ").join(map(sql.Identifier, privileges.WORKER))
    with connect_owner(url) as connection:
        for name, granted in ((worker_role, privileges.WORKER), (view_role, privileges.VIEW)):
            role = sql.Identifier(name)
            if not connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", [name]
            ).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
            _grant_schema(connection, role, name)
            # An earlier release may have granted more.
            connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(every_table, role))
            for table, rights in granted.items():
                allowed = sql.SQL(", ").join(map(sql.SQL, rights))
                connection.execute(
                    sql.SQL("GRANT {} ON {} TO {}").format(allowed, sql.Identifier(table), role)
                )


def _grant_schema(connection: psycopg.Connection[Any], role: sql.Identifier, name: str) -> None:
    """Let the role look into the schema of the tables, as it may into `public` already."""
    schema = connection.execute(
        "SELECT s FROM current_schema() AS s WHERE NOT has_schema_privilege(%s, s, 'USAGE')", [name]
    ).fetchone()
    if schema:
        usage = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}")
        connection.execute(usage.format(sql.Identifier(schema[0]), role))


@contextmanager
def _locked(url: str, deadline: float) -> Iterator[Connection]:
    engine = create_engine(
        "postgresql+psycopg://", creator=partial(connect_owner, url, lock_timeout=_LOCK_TIMEOUT)
    )
    try:
        with engine.connect() as connection:
            _lock(connection, deadline)
            yield connection
    finally:
        engine.dispose()


def _lock(connection: Connection, deadline: float) -> None:
    """Ask again and again: CREATE INDEX CONCURRENTLY would wait for a statement that waits."""
    while not connection.scalar(text(f"SELECT pg_try_advisory_lock({_MIGRATION_LOCK})")):
        connection.commit()
        if time.monotonic() > deadline:
            raise FatalError("Another migration has not ended in two minutes.")
        time.sleep(_PAUSE_SECONDS)
    connection.commit()


def _configuration(connection: Connection) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(revisions.scripts_path()))
    configuration.attributes["connection"] = connection
    return configuration


def _current(connection: Connection) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return current


def _behind(current: str | None, configuration: Config) -> set[str]:
    """The revisions that lie behind where the database stands."""
    if current is None:
        return set()
    scripts = ScriptDirectory.from_config(configuration)
    return {script.revision for script in scripts.iterate_revisions(current, "base")} - {
        current
    } | {"base"}
