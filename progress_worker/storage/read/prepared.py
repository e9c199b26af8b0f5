"""Statements that are compiled once per process and prepared once per session.

A session's cursor would do the same, but takes three times the processor time: it converts the
statement, looks up how to write and read each value, and names the columns, all for every read.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult
from sqlalchemy import ClauseElement, create_engine

from progress_worker.storage.droppable import DroppableConnection


class Query(NamedTuple):
    """A statement's text with numbered parameters, their names, and the values that are fixed."""

    text: bytes
    names: Sequence[str]
    fixed: Mapping[str, object]

    def values(self, given: Mapping[str, object]) -> list[object]:
        """All parameters in their order."""
        known = {**self.fixed, **given}
        return [known[name] for name in self.names]


class Queries:
    """Compiles SQLAlchemy's statements, each once."""

    def __init__(self) -> None:
        self._dialect = create_engine("postgresql+psycopg://", paramstyle="numeric_dollar").dialect
        self._compiled: dict[ClauseElement, Query] = {}

    def __getitem__(self, statement: ClauseElement) -> Query:
        query = self._compiled.get(statement)
        if query is None:
            compiled: Any = statement.compile(dialect=self._dialect)
            query = Query(str(compiled).encode(), compiled.positiontup or (), compiled.params)
            self._compiled[statement] = query
        return query


class _Prepared(NamedTuple):
    name: bytes
    make_row: Callable[[Sequence[Any]], Any]


class PreparedStatements:
    """The prepared statements of one session. Their results come in binary form.

    Waits are those of the session, so one that is cancelled closes the session.
    """

    def __init__(self, session: DroppableConnection) -> None:
        self._session = session
        self._transformer = Transformer(session)
        self._prepared: dict[bytes, _Prepared] = {}

    async def one(self, query: Query, given: Mapping[str, object]) -> Any:
        """The only row, as a named tuple, or None. Raises psycopg.Error."""
        prepared = self._prepared.get(query.text) or await self._prepare(query.text)
        values = query.values(given)
        self._session.pgconn.send_query_prepared(
            prepared.name,
            self._transformer.dump_sequence(values, [PyFormat.TEXT] * len(values)),
            result_format=Format.BINARY,
        )
        result = await self._result()
        if result.ntuples == 0:
            return None
        self._transformer.set_pgresult(result)
        return self._transformer.load_row(0, prepared.make_row)

    async def _prepare(self, text: bytes) -> _Prepared:
        name = b"read_%d" % len(self._prepared)
        self._session.pgconn.send_prepare(name, text)
        await self._result()
        self._session.pgconn.send_describe_prepared(name)
        columns = await self._result()
        prepared = self._prepared[text] = _Prepared(name, _row_maker(columns))
        return prepared

    async def _result(self) -> PGresult:
        results: list[PGresult] = await self._session.wait(execute(self._session.pgconn))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise errors.error_from_result(result)
        return results[0]


def _row_maker(columns: PGresult) -> Callable[[Sequence[Any]], Any]:
    names = [(columns.fname(place) or b"").decode() for place in range(columns.nfields)]
    row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # known at run time
    return row._make
