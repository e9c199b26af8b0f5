"""Rule books as the worker reads and stores them, and the workers that have to read them.

The newest version is the active one. A process whose own rule book is newer stores it. A process
whose own is older uses the newest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final, NamedTuple

import structlog

from progress_worker import __version__
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rulebook_format import FORMAT
from progress_worker.errors import FatalError
from progress_worker.storage.database import Connection
from progress_worker.storage.rows import RULE_BOOK
from progress_worker.storage.rulebooks import RuleBooks

_log = structlog.get_logger()

#: One process at a time stores a rule book; any number that nobody else uses.
_LOCK: Final = "SELECT pg_advisory_xact_lock(7281936403)"
_NEWEST: Final = "SELECT max(version) FROM rule_book"
_CONTENT: Final = "SELECT version, content FROM rule_book WHERE version = ANY(%s)"
_TODAY: Final = "SELECT (now() AT TIME ZONE 'UTC')::date - '0001-01-01'::date + 1"
#: A completion may be on the wall clock's next day, and a worker may read the rule book late.
_FIXED_DAYS: Final = 2
_STORE: Final = f"INSERT INTO {RULE_BOOK.into} VALUES (%s, %s, %s, %s, %s)"
#: A worker that was not seen for this long is gone.
_GONE_SECONDS: Final = 60
_SEE: Final = """
INSERT INTO running_worker (instance, release, reads_format) VALUES (%s, %s, %s)
ON CONFLICT (instance) DO UPDATE SET
    release = excluded.release, reads_format = excluded.reads_format, seen_at = now()
"""
_FORGET: Final = "DELETE FROM running_worker WHERE seen_at < now() - '1 day'::interval"
_CANNOT_READ: Final = """
SELECT instance, release FROM running_worker
WHERE reads_format < %s AND seen_at > now() - %s * '1 s'::interval
ORDER BY instance LIMIT 1
"""


async def newest(connection: Connection) -> int | None:
    """The version of the active rule book; None where no worker ever ran."""
    row = await (await connection.execute(_NEWEST)).fetchone()
    return row[0] if row else None


async def fetch(connection: Connection, books: RuleBooks, versions: Iterable[int | None]) -> None:
    """Read those of the rule books that are not in memory yet.

    Raises FatalError where one cannot be read or is not there, and psycopg.Error.
    """
    wanted = books.unread(versions)
    if not wanted:
        return
    rows = await (await connection.execute(_CONTENT, [list(wanted)])).fetchall()
    for version, content in rows:
        books.add(version, content)
    if missing := wanted - {row[0] for row in rows}:
        raise FatalError(
            f"The database has learners of rule book {min(missing)} and no such rule book: restore "
            "the table rule_book from the backup that the learners are from."
        )


async def refresh(connection: Connection, books: RuleBooks) -> None:
    """Use the newest rule book from now on. Raises what `fetch` raises."""
    version = await newest(connection)
    if version is not None and books.active is not books.by_version.get(version):
        await fetch(connection, books, [version])
        books.activate(version)
        if books.settled:
            _log.info("rule_book_active", version=version)


async def settle(
    connection: Connection, books: RuleBooks, content: str, *, built_in: bool = False
) -> None:
    """Store the configured rule book if it is newer than all others, and use the newest.

    `content` is its text. While a worker runs that cannot read it, a built-in one waits: the newest
    is used meanwhile, `books.waiting` says so, and the caller comes back. Any other one is refused.
    The caller commits. Raises FatalError, with one sentence, where the rule book is refused, and
    what `fetch` raises.
    """
    await connection.execute(_LOCK)
    await connection.execute(_FORGET)
    own, active = books.configured, await newest(connection)
    await _refuse_changed(connection, own)
    if active is None or active < own.version:
        await _refuse_other_days(connection, books, own, active)
        blind = await _worker_without(connection, own.content.format)
        if blind is None:
            await _store(connection, own, content)
        elif not built_in or active is None:
            raise FatalError(
                f"Rule book {own.version} cannot be read by the worker {blind.instance} of release "
                f"{blind.release}, which is running: update that worker first."
            )
        elif not books.settled:
            _log.warning("rule_book_waits", version=own.version, active=active, **blind._asdict())
    elif own.version < active:
        _log.warning("older_rule_book", configured=own.version, active=active)
    await refresh(connection, books)
    books.settled = True


async def refuse(connection: Connection, books: RuleBooks, book: RuleBook) -> None:
    """Raise FatalError, with one sentence, where this rule book can never become the active one.

    Writes nothing. Raises what `fetch` raises.
    """
    active = await newest(connection)
    await _refuse_changed(connection, book)
    if active is not None:
        refuse_older(book, active)
    await _refuse_other_days(connection, books, book, active)


def refuse_older(book: RuleBook, active: int) -> None:
    """Raise FatalError where a rule book is older than the active one, which has that version."""
    if book.version < active:
        raise FatalError(
            f"Rule book {book.version} is older than the active one, {active}: give it a higher "
            "version."
        )


async def _refuse_changed(connection: Connection, book: RuleBook) -> None:
    query = "SELECT digest FROM rule_book WHERE version = %s"
    row = await (await connection.execute(query, [book.version])).fetchone()
    if row is not None and row[0] != book.digest:
        raise FatalError(
            f"Rule book {book.version} was active before with other content: give the changed one "
            "a higher version."
        )


async def _refuse_other_days(
    connection: Connection, books: RuleBooks, own: RuleBook, active: int | None
) -> None:
    """Local days are never found again, so they may start at other hours only from now on."""
    if active is None:
        return
    await fetch(connection, books, [active])
    row = await (await connection.execute(_TODAY)).fetchone()
    fixed = dt.date.fromordinal(row[0] + _FIXED_DAYS) if row else dt.date.max
    before, after = books.by_version[active].day_starts, own.day_starts
    changes = {date for date, _ in [*before.changes, *after.changes]}
    for date in sorted({dt.date.min} | {date for date in changes if date <= fixed}):
        if before.hour(date) != after.hour(date):
            raise FatalError(
                f"Rule book {own.version} lets days start at other hours up to {fixed:%Y-%m-%d} "
                f"than rule book {active}: `day_starts_at` may change from the day after on."
            )


class _Blind(NamedTuple):
    """A running worker that cannot read a rule book."""

    instance: str
    release: str


async def _worker_without(connection: Connection, format_: int) -> _Blind | None:
    """A running worker that cannot read this format; None if all can."""
    row = await (await connection.execute(_CANNOT_READ, [format_, _GONE_SECONDS])).fetchone()
    return _Blind(*row) if row else None


async def _store(connection: Connection, book: RuleBook, content: str) -> None:
    values = [book.version, book.content.name, book.digest, book.content.format, content]
    await connection.execute(_STORE, values)
    _log.info("rule_book_stored", version=book.version, name=book.content.name)


async def see(connection: Connection, instance: str) -> None:
    """Record that this worker runs, and which rule books it can read."""
    await connection.execute(_SEE, [instance, __version__, FORMAT])
