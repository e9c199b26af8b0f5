"""Checks Postgres with the worker's and the view's roles: version, revision, rights, clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

import psycopg

from progress_worker.doctor.findings import Finding
from progress_worker.errors import FatalError, TransientError
from progress_worker.settings.addresses import libpq_url
from progress_worker.settings.complaints import PREFIX, listed
from progress_worker.settings.view import ViewSettings
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import Connection, check_migrated
from progress_worker.storage.schema import privileges
from progress_worker.storage.schema.local_tables import erasure
from progress_worker.storage.sessions import (
    PINNED,
    check_direct,
    check_encoding,
    first_line,
    pin,
)

_SESSION_SECONDS: Final = 10
_LIMITS: Final = dict.fromkeys(
    ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"),
    f"{_SESSION_SECONDS}s",
)
_OLDEST_POSTGRES: Final = 160_000
#: Clocks that are synchronized differ by less than this.
_SKEW_SECONDS: Final = 1.0
_WRITE: Final = ("INSERT", "UPDATE", "DELETE")
#: A role that may do this owns the tables or is a superuser.
_TOO_MUCH: Final = {erasure.name: ("DELETE",)}
_PRIVILEGE: Final[LiteralString] = "SELECT has_table_privilege(to_regclass(%s), %s)"
_HIDES_ROWS: Final[LiteralString] = "SELECT row_security_active(to_regclass(%s))"


async def check_worker_database(settings: Settings) -> list[Finding]:
    """Whether the worker's role finds this release's tables and has its rights on them."""
    url = settings.database_url.get_secret_value()
    async with _session(url, "Postgres", f"{PREFIX}DATABASE_URL") as connection:
        await check_direct(connection)
        role = connection.info.user
        findings = [_who(connection), await _check_clock(connection)]
        findings.append(await _check_tables(connection, privileges.WORKER))
        if findings[-1].wrong:
            return findings
        lacking = await _lacking(connection, privileges.WORKER)
        refused = await _lacking(connection, _TOO_MUCH)
    if _only_reads(lacking):
        findings.append(
            Finding(
                f"The role {role} can only read, as the view's role does: give "
                f"{PREFIX}DATABASE_URL the worker's login.",
                wrong=True,
            )
        )
        return findings
    findings += _privileges(role, lacking, f"The role {role} has all rights that the worker needs.")
    if not refused:
        findings.append(
            Finding(
                f"The role {role} can shorten the list of erased learners, which no worker needs: "
                f"give {PREFIX}DATABASE_URL a role with the rights of progress_worker and no more.",
                wrong=True,
            )
        )
    return findings


async def check_view_database(settings: ViewSettings) -> list[Finding]:
    """Whether the view's role may read what the view shows, and cannot write."""
    writing = dict.fromkeys(privileges.WORKER, _WRITE)
    url, variable = settings.read_url, settings.read_variable
    async with _session(url, "The view's Postgres", variable) as connection:
        role = connection.info.user
        findings = [_who(connection), await _check_tables(connection, privileges.VIEW)]
        if findings[-1].wrong:
            return findings
        lacking = await _lacking(connection, privileges.VIEW)
        refused = await _lacking(connection, writing)
    findings += _privileges(role, lacking, f"The role {role} may read all that the view shows.")
    if len(refused) < len(writing) * len(_WRITE):
        findings.append(
            Finding(
                f"The role {role} can write to tables that the view only reads: give "
                f"{PREFIX}VIEW_DATABASE_URL a role that can only read.",
                wrong=True,
            )
        )
    else:
        findings.append(Finding(f"The role {role} can only read."))
    return findings


@asynccontextmanager
async def _session(url: str, what: str, variable: str) -> AsyncIterator[Connection]:
    """A read-only transaction with the pinned settings.

    It leaves none of them behind in a session that a pooler shares.
    """
    try:
        connection: psycopg.AsyncConnection[Any] = await psycopg.AsyncConnection.connect(
            libpq_url(url),
            application_name="progress-worker doctor",
            client_encoding=PINNED["client_encoding"],
            connect_timeout=_SESSION_SECONDS,
            prepare_threshold=None,
        )
    except psycopg.Error as error:
        raise TransientError(
            f"{what} cannot be reached ({variable}): {first_line(error)}"
        ) from error
    try:
        await connection.set_read_only(True)
        await connection.set_isolation_level(psycopg.IsolationLevel.READ_COMMITTED)
        await connection.set_deferrable(False)
        await connection.execute(pin(_LIMITS, connection.info.server_version))
        yield connection
    except psycopg.Error as error:
        raise TransientError(
            f"{what} answered with an error ({variable}): {first_line(error)}"
        ) from error
    finally:
        await connection.close()


def _who(connection: Connection) -> Finding:
    info = connection.info
    version = info.server_version
    told = f"Postgres {version // 10_000} answers {info.user} at {info.host}:{info.port}."
    if version < _OLDEST_POSTGRES:
        return Finding(f"{told} The worker needs PostgreSQL 16 or newer.", wrong=True)
    try:
        check_encoding(info)
    except FatalError as error:
        return Finding(str(error), wrong=True)
    return Finding(told)


async def _check_tables(connection: Connection, needed: privileges.Privileges) -> Finding:
    """Whether the tables show the role all of their rows, and are those of this release."""
    if hiding := [table for table in needed if await _asked(connection, _HIDES_ROWS, table)]:
        return Finding(
            f"Row-level security is on for {listed(hiding)} and may hide rows from the role "
            f"{connection.info.user}: turn it off there (ALTER TABLE ... DISABLE ROW LEVEL "
            "SECURITY), or give the role BYPASSRLS.",
            wrong=True,
        )
    try:
        await check_migrated(connection)
    except FatalError as error:
        return Finding(str(error), wrong=True)
    return Finding("The database is at the revision of this release.")


async def _asked(connection: Connection, question: LiteralString, *about: str) -> bool:
    """Whether Postgres answers yes; it knows no answer about a table that does not exist."""
    row = await (await connection.execute(question, about)).fetchone()
    return bool(row and row[0])


async def _check_clock(connection: Connection) -> Finding:
    before = dt.datetime.now(dt.UTC)
    row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    after = dt.datetime.now(dt.UTC)
    there = row[0] if row else after
    ahead = max((there - after).total_seconds(), 0.0) - max((before - there).total_seconds(), 0.0)
    return clock_finding(ahead)


def clock_finding(seconds_ahead: float) -> Finding:
    """The finding for a Postgres clock that is at least this many seconds ahead of this host's."""
    if abs(seconds_ahead) <= _SKEW_SECONDS:
        return Finding("The clocks of this host and of Postgres agree.")
    side = "ahead" if seconds_ahead > 0 else "behind"
    return Finding(
        f"Postgres's clock is {abs(seconds_ahead):.1f} s {side}: measured latencies are wrong; "
        "synchronize the clocks (NTP).",
        wrong=True,
    )


async def _lacking(connection: Connection, needed: privileges.Privileges) -> list[tuple[str, str]]:
    """The needed privileges that the connection's role lacks, by table."""
    return [
        (table, privilege)
        for table, rights in needed.items()
        for privilege in rights
        if not await _asked(connection, _PRIVILEGE, table, privilege)
    ]


def _only_reads(lacking: Sequence[tuple[str, str]]) -> bool:
    """Whether the role lacks all rights to write, but not those to read."""
    writing = {
        (table, right)
        for table, rights in privileges.WORKER.items()
        for right in rights
        if right != "SELECT"
    }
    return writing <= set(lacking) and len(lacking) < sum(map(len, privileges.WORKER.values()))


def _privileges(role: str, lacking: Sequence[tuple[str, str]], good: str) -> list[Finding]:
    if not lacking:
        return [Finding(good)]
    tables = ", ".join(dict.fromkeys(table for table, _ in lacking))
    missing = ", ".join(dict.fromkeys(privilege for _, privilege in lacking))
    return [
        Finding(
            f"The role {role} lacks {missing} on {tables}: run "
            "`progress-worker migrate`, which grants it.",
            wrong=True,
        )
    ]
