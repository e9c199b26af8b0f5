"""COPY in binary form, the cheapest way into a table for rows that are known to be new.

Half the processor time of an INSERT on both sides, and a fifth of the bytes of WAL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import sql

from progress_worker.storage.database import Connection


class Copying:
    """COPY into some columns of a table, given with their types."""

    def __init__(self, table: str, columns: Mapping[str, str]) -> None:
        self._types = list(columns.values())
        self._statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )

    async def write(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Append the rows in this order, which is best that of the primary key.

        Raises psycopg.Error, a DataError or IntegrityError when a row is refused.
        """
        async with connection.cursor() as cursor, cursor.copy(self._statement) as copy:
            copy.set_types(self._types)
            # What `copy.write_row` does, without a coroutine for every row.
            to_bytes = copy.formatter.write_row
            for row in rows:
                if data := to_bytes(row):
                    await copy.write(data)
