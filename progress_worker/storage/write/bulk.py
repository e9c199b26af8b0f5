"""Writes the rows of many tables: many rows of one table by COPY, all others in one statement.

COPY in binary form takes half the processor time of an INSERT on both sides and a fifth of the
bytes of WAL, but two round trips of its own. A statement of its own for each table costs more than
a few rows do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from typing import Any, Final, TypeAlias

from psycopg import AsyncRawCursor

from progress_worker.errors import LearnerChangedError
from progress_worker.storage.arrays import arrays
from progress_worker.storage.database import Connection
from progress_worker.storage.rows import Rows

Row: TypeAlias = tuple[Any, ...]

#: With fewer rows an INSERT is faster.
_MANY: Final = 100

#: Types whose binary form is that of another, for which psycopg has a dumper of plain values.
_SENT_AS: Final = {"json": "text"}


class BulkWriter:
    """Appends rows that are known to be new to one table by COPY."""

    def __init__(self, rows: Rows) -> None:
        self._types = [_SENT_AS.get(kind, kind) for kind in rows.types]
        self._copy = f"COPY {rows.into} FROM STDIN (FORMAT binary)"

    @staticmethod
    def pays_for(rows: Sequence[Row]) -> bool:
        """Whether the rows are enough for a COPY to be faster than an INSERT."""
        return len(rows) >= _MANY

    async def copy(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Append the rows in this order, best near that of the primary key; not in a pipeline.

        Raises psycopg.Error, a DataError or IntegrityError when a row is refused.
        """
        async with connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self._types)
            # What `copy.write_row` does, without a coroutine for every row.
            to_bytes = copy.formatter.write_row
            for row in rows:
                if data := to_bytes(row):
                    await copy.write(data)


class CombinedQuery:
    """Runs several writing statements as one `WITH` query.

    They share a snapshot, so no row may be written by two of them. Each takes arrays, the columns
    of its rows. One that returns its rows is checked: it has to have written each of them.
    """

    def __init__(self, *statements: str) -> None:
        self._widths = [statement.count("%s") for statement in statements]
        self._checked = [number for number, text in enumerate(statements) if " RETURNING " in text]
        parts = ", ".join(f"part_{number} AS ({text})" for number, text in enumerate(statements))
        written = ", ".join(f"(SELECT count(*) FROM part_{number})" for number in self._checked)
        numbers = count(1)
        # Parameters in Postgres's own form: psycopg does not cache how it reads so many of its own.
        query = f"WITH {parts} SELECT {written}"
        self._statement = re.sub("%s", lambda _: f"${next(numbers)}", query)

    async def run(self, connection: Connection, *rows: Sequence[Row]) -> None:
        """Run the statements, each on its rows; one that has none does nothing.

        Raises LearnerChangedError when a row is not there that should be, and psycopg.Error, a
        DataError or IntegrityError when a row is refused.
        """
        if not any(rows):
            return
        columns = [
            column
            for of_part, width in zip(rows, self._widths, strict=True)
            for column in arrays(of_part, width)
        ]
        async with AsyncRawCursor(connection) as cursor:
            await cursor.execute(self._statement, columns)
            written = await cursor.fetchone()
        if written != tuple(len(rows[number]) for number in self._checked):
            raise LearnerChangedError("a row of a learner is gone that another transaction deleted")
