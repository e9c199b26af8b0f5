"""Writes an export: as JSON, CSV, xAPI statements, or all of them in a zip file."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from progress_worker.http.api.responses import SkillLevelAnswer
from progress_worker.http.export.archive import Archive
from progress_worker.http.export.exporting import Exporting
from progress_worker.http.export.parts import COMPLETIONS_PART, PARTS, Part
from progress_worker.http.export.readme import readme
from progress_worker.http.export.spreadsheet import text_cell
from progress_worker.http.export.summary import Summary, summary
from progress_worker.http.export.xapi import statement_of

Format = Literal["json", "csv", "xapi", "zip"]
Chunks = AsyncGenerator[bytes, None]

#: Without this mark, Excel reads a CSV file in the machine's own code page.
_BYTE_ORDER_MARK: Final = "\ufeff"
#: The way to the next level is an object, and no line can hold it.
_LEVEL_COLUMNS: Final = tuple(
    name for name in SkillLevelAnswer.__struct_fields__ if name != "next_level"
)


class Written(NamedTuple):
    """A format: its media type, the end of its file's name, and how it is written.

    `has_texts` says whether it has texts of the rule book, and `is_packed` whether compressing it
    again would gain nothing.
    """

    media_type: str
    ending: str
    write: Callable[[Exporting], Chunks]
    has_texts: bool = False
    is_packed: bool = False


async def _json(export: Exporting) -> Chunks:
    async for chunk in _json_of(export, await summary(export)):
        yield chunk


async def _json_of(export: Exporting, found: Summary) -> Chunks:
    yield found.json.removesuffix(b"}")
    for part in PARTS:
        yield f',"{part.name}":'.encode()
        async for chunk in _array(part.rows(export)):
            yield chunk
    yield b"}"


async def _xapi(export: Exporting) -> Chunks:
    home_page = export.reader.home_page
    statements = (
        [statement_of(found, home_page) for found in completions if not found.revoked]
        async for completions in export.completions()
    )
    async for chunk in _array(statements):
        yield chunk


async def _array(chunks: AsyncIterator[Sequence[object]]) -> Chunks:
    """A JSON array of all rows."""
    before = b"["
    async for rows in chunks:
        if rows:
            yield before + msgspec.json.encode(rows)[1:-1]
            before = b","
    yield b"[]" if before == b"[" else b"]"


async def _csv(export: Exporting) -> Chunks:
    async for chunk in _csv_of(export, COMPLETIONS_PART):
        yield chunk


async def _csv_of(export: Exporting, part: Part) -> Chunks:
    yield (_BYTE_ORDER_MARK + csv_lines([part.columns])).encode()
    async for rows in part.rows(export):
        yield csv_lines(map(part.cells, rows)).encode()


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """The rows as CSV, safe against formula injection."""
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\r\n").writerows(map(_cell, row) for row in rows)
    return lines.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return text_cell(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, dt.date) else value


async def _zip(export: Exporting) -> Chunks:
    archive = Archive(export.reader.now)
    found = await summary(export)
    for name, chunks in _files(export, found):
        async for chunk in archive.add(name, chunks):
            yield chunk
    yield archive.end()


def _files(export: Exporting, found: Summary) -> Iterable[tuple[str, Chunks]]:
    yield "README.txt", _text(readme(export))
    yield "export.json", _json_of(export, found)
    for part in PARTS:
        yield f"{part.name}.csv", _csv_of(export, part)
    yield "skill_levels.csv", _text(_skill_levels(found))
    yield "xapi.json", _xapi(export)


def _skill_levels(found: Summary) -> str:
    rows = ([getattr(level, name) for name in _LEVEL_COLUMNS] for level in found.levels)
    return _BYTE_ORDER_MARK + csv_lines([_LEVEL_COLUMNS, *rows])


async def _text(text: str) -> Chunks:
    yield text.encode()


FORMATS: Final[dict[Format, Written]] = {
    "json": Written("application/json", "json", _json, has_texts=True),
    "csv": Written("text/csv; charset=utf-8; header=present", "csv", _csv),
    "xapi": Written("application/json", "xapi.json", _xapi),
    "zip": Written("application/zip", "zip", _zip, has_texts=True, is_packed=True),
}
