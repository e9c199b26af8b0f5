"""The export: everything about a learner as one stream, in JSON or for a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Iterable
from contextlib import ExitStack, aclosing
from typing import Final, Literal

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from progress_worker.domain.completion import Completion
from progress_worker.errors import TransientError
from progress_worker.http.api.presentation import achievement_rows, presenter_of
from progress_worker.http.api.presentation_of_streaks import present_streak
from progress_worker.http.api.presentation_over_time import present_history, present_statistics
from progress_worker.http.api.responses_over_time import (
    ExportedCompletion,
    ExportedStatistics,
    ExportSummary,
)
from progress_worker.http.api.spools import Spool
from progress_worker.http.api.spreadsheet import UNDO, text_cell
from progress_worker.http.api.windows import DAYS_OF_WEEK, MAX_DAYS, Range, span
from progress_worker.http.asking import USER_ID, Asked, of_learner
from progress_worker.http.compression import accepts_gzip
from progress_worker.http.conditional import caching_headers
from progress_worker.http.endpoints import Endpoint
from progress_worker.http.parameters import Parameter, one_of
from progress_worker.storage.read.export import ExportRunningError, OpenExport
from progress_worker.storage.read.views import (
    HistoryView,
    LearnerView,
    Stamp,
    StatisticsView,
    StoredRow,
    StreakView,
)

Format = Literal["json", "csv"]

_MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
}
#: Without this mark, Excel reads a CSV file in the machine's own code page.
_BYTE_ORDER_MARK: Final = "\ufeff"

#: After this time a short export is over, and the server has noticed a client that went away.
_RETRY_AFTER: Final = {"Retry-After": "5"}

_OVER: Final = "The time limit of an export is over."

_STORED: Final = tuple(name for name in ExportedCompletion.__struct_fields__ if name != "grade")

_log = structlog.get_logger()

_FORMATS: Final[tuple[Format, ...]] = ("json", "csv")
FORMAT: Final[Parameter[Format]] = Parameter(
    "format",
    "`json`: everything; `csv`: one row per completion, for a spreadsheet. " + UNDO,
    one_of(_FORMATS),
    {"type": "string", "enum": list(_FORMATS), "default": "json"},
    "json",
)


class ExportResponse(StreamingResponse):
    """A stream that ends by its deadline, and always gives its place back.

    If its headers say gzip, the spool's pieces are sent as they are, which costs nothing. A stream
    that is cut off lacks its last chunk, so nobody takes it for complete.
    """

    def __init__(
        self, spool: Spool, held: ExitStack, deadline: float, headers: dict[str, str]
    ) -> None:
        pieces = spool.compressed() if "Content-Encoding" in headers else spool.portions()
        super().__init__(pieces, headers=headers)
        self._held = held
        self._deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. If it is interrupted, its place and memory are free again."""
        with self._held:
            try:
                async with asyncio.timeout_at(self._deadline):
                    await super().__call__(scope, receive, send)
            except TimeoutError:
                _log.warning("view_export_cut_off", reason=_OVER)


async def export(question: Asked) -> Response:
    """Everything about the learner as a stream. All parts show the same moment."""
    wanted = question.values[FORMAT]
    stamp = await question.view.reads.stamp(question.user_id)
    if unchanged := question.unchanged(stamp, _language(question, stamp, wanted)):
        return unchanged
    if question.request.method == "HEAD":
        head = Response(headers=_headers(question, stamp, wanted))
        # The length is not known before the export is sent.
        del head.headers["Content-Length"]
        return head
    view = question.view
    deadline = asyncio.get_running_loop().time() + view.export_seconds
    with ExitStack() as stack:
        try:
            stack.enter_context(view.exports.turn(question.user_id))
        except ExportRunningError as error:
            raise HTTPException(429, str(error), _RETRY_AFTER) from error
        spool = stack.enter_context(view.spools.open())
        stamp = await _read(question, wanted, spool, deadline)
        headers = _headers(question, stamp, wanted)
        return ExportResponse(spool, stack.pop_all(), deadline, headers)


async def _read(question: Asked, wanted: Format, spool: Spool, deadline: float) -> Stamp:
    """Write the whole export into the spool, so that no client keeps the database waiting."""
    try:
        async with (
            asyncio.timeout_at(deadline),
            question.view.exports.open(question.user_id) as source,
        ):
            learner = await source.learner()
            if wanted == "csv":
                chunks = _csv(source)
            else:
                chunks = _json(await _summary(source, learner, question), source)
            async with aclosing(chunks):
                async for chunk in chunks:
                    spool.write(chunk)
            spool.finish()
            return learner.stamp
    except TimeoutError as error:
        raise TransientError(_OVER) from error


def _headers(question: Asked, stamp: Stamp, wanted: Format) -> dict[str, str]:
    day, language = stamp.clock.day_of(question.now), _language(question, stamp, wanted)
    return {
        "Content-Type": _MEDIA_TYPES[wanted],
        "Content-Disposition": f'attachment; filename="progress-{day}.{wanted}"',
        **caching_headers(question.tag(stamp, language), language),
        **({"Content-Encoding": "gzip"} if accepts_gzip(question.request) else {}),
    }


def _language(question: Asked, stamp: Stamp, wanted: Format) -> str:
    """The language of the achievements, which only JSON has."""
    return question.language(stamp) if wanted == "json" else ""


async def _summary(source: OpenExport, learner: StoredRow[LearnerView], question: Asked) -> str:
    """Everything but the completions, as JSON."""
    now = question.now
    days, year = span(30, now), Range(days=MAX_DAYS)
    statistics = await source.statistics(days.first, days.last)
    read = year.span(now)
    history = await source.history(read.first, read.last)
    streak = await source.streak(span(DAYS_OF_WEEK, now).first)

    def make() -> str:
        parts = _present(
            learner.decode(), statistics.decode(), history.decode(), streak.decode(), question
        )
        return msgspec.json.encode(parts).decode()

    # The statistics are presented once for each period.
    once = (learner, history, streak)
    characters = sum(part.characters for part in once) + 4 * statistics.characters
    rows = 2 * MAX_DAYS + achievement_rows(learner.stamp)
    return await question.view.computing.make(characters, make, rows=rows)


def _present(
    learner: LearnerView,
    statistics: StatisticsView,
    history: HistoryView,
    streak: StreakView,
    question: Asked,
) -> ExportSummary:
    user_id, now, stamp = question.user_id, question.now, learner.stamp
    presenter = presenter_of(stamp.book, question.language(stamp))
    year = Range(days=MAX_DAYS)
    return ExportSummary(
        progress=presenter.progress(learner, now),
        achievements=presenter.achievements(learner, question.rarity),
        badges=presenter.badges(learner, question.rarity),
        statistics=ExportedStatistics(
            daily=present_statistics(statistics, user_id, "daily", now),
            weekly=present_statistics(statistics, user_id, "weekly", now),
            monthly=present_statistics(statistics, user_id, "monthly", now),
            all=present_statistics(statistics, user_id, "all", now),
        ),
        history=present_history(history, user_id, year, now),
        streak=present_streak(streak, user_id, year, now),
        skill_levels=presenter.skill_levels(learner),
    )


async def _json(summary: str, source: OpenExport) -> AsyncGenerator[str, None]:
    yield summary.removesuffix("}") + ',"completions":['
    separator = ""
    async for completions in source.completions():
        rows = msgspec.json.encode([_exported(found) for found in completions]).decode()
        yield separator + rows[1:-1]
        separator = ","
    yield "]}"


async def _csv(source: OpenExport) -> AsyncGenerator[str, None]:
    yield _BYTE_ORDER_MARK + _csv_lines([ExportedCompletion.__struct_fields__])
    async for completions in source.completions():
        yield _csv_lines(_cells(found) for found in completions)


def _csv_lines(rows: Iterable[Iterable[object]]) -> str:
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return lines.getvalue()


def _cells(found: Completion) -> list[object]:
    return [
        found.event_id,
        found.revision,
        str(found.revoked).lower(),
        text_cell(found.exercise_id),
        text_cell(found.topic),
        found.difficulty,
        _grade(found),
        found.time_spent_seconds,
        found.hints_used,
        found.completed_at.isoformat(),
        text_cell(found.timezone or ""),
        found.local_day,
    ]


def _grade(found: Completion) -> float | None:
    return None if found.grade_hundredths is None else found.grade_hundredths / 100


def _exported(found: Completion) -> ExportedCompletion:
    fields = {name: getattr(found, name) for name in _STORED}
    return ExportedCompletion(**fields, grade=_grade(found))


ENDPOINTS: Final = (
    Endpoint(
        "/api/progress/export",
        of_learner(export),
        tag="export",
        answer={
            "application/json": {"schema": {"$ref": "#/components/schemas/ExportAnswer"}},
            "text/csv": {"schema": {"type": "string"}},
        },
        parameters=(FORMAT, USER_ID),
        needs_token=True,
        has_texts=True,
        has_rarity=True,
        about={"description": "The export, as a file."},
        statuses=(429,),
    ),
)
