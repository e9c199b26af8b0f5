"""Writes the rows of many tables: those that are many by COPY, all others in one statement.

COPY in binary form takes half the processor time of an INSERT on both sides and a fifth of the
bytes of WAL, but two round trips of its own. A statement of its own for each table costs more than
a few rows do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final, TypeAlias

from psycopg import AsyncRawCursor

from progress_worker.storage.database import Connection
from progress_worker.storage.write.arrays import arrays

Row: TypeAlias = tuple[Any, ...]

#: With fewer rows an INSERT is faster.
_MANY: Final = 100

#: Types whose binary form is that of another, for which psycopg has a dumper of plain values.
_SENT_AS: Final = {"json": "text"}


class Appending:
    """Appends rows that are known to be new to some columns of a table, given with their types.

    `insert` is the statement that takes the columns' values as arrays.
    """

    def __init__(self, table: str, columns: Mapping[str, str]) -> None:
        self._types = [_SENT_AS.get(kind, kind) for kind in columns.values()]
        into = f"{table} ({', '.join(columns)})"
        values = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        self._copy = f"COPY {into} FROM STDIN (FORMAT binary)"
        self.insert = f"INSERT INTO {into} SELECT * FROM unnest({values})"

    @staticmethod
    def are_many(rows: Sequence[Row]) -> bool:
        """Whether the rows are worth a `copy`."""
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


class Together:
    """Statements that are run as one. None sees what another does, so no row may be of two.

    The parameters of each are arrays, the columns of its rows.
    """

    def __init__(self, *statements: str) -> None:
        self._nothing = [["{}"] * statement.count("%s") for statement in statements]
        parts = ", ".join(f"part_{number} AS ({text})" for number, text in enumerate(statements))
        numbers = count(1)
        # As Postgres itself has parameters: psycopg forgets how a statement with so many is read.
        self._statement = re.sub("%s", lambda _: f"${next(numbers)}", f"WITH {parts} SELECT")

    async def run(self, connection: Connection, *rows: Sequence[Row]) -> None:
        """Run the statements, each on its rows; one that has none does nothing.

        Raises psycopg.Error, a DataError or IntegrityError when a row is refused.
        """
        if any(rows):
            columns = [
                column
                for of_part, nothing in zip(rows, self._nothing, strict=True)
                for column in (arrays(of_part) if of_part else nothing)
            ]
            async with AsyncRawCursor(connection) as cursor:
                await cursor.execute(self._statement, columns)
