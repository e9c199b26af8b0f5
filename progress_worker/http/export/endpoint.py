"""The endpoint of the export: it is read to its end first, and then sent as a stream."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, aclosing
from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from progress_worker.errors import TransientError
from progress_worker.http.api.presentation_of_explanations import languages_of
from progress_worker.http.asking import USER_ID, Asked, of_learner
from progress_worker.http.compression import accepts_gzip
from progress_worker.http.conditional import caching_headers
from progress_worker.http.endpoints import Endpoint
from progress_worker.http.export.exporting import Reader, exporting
from progress_worker.http.export.formats import FORMATS, Format
from progress_worker.http.export.spools import Spool
from progress_worker.http.export.spreadsheet import UNDO
from progress_worker.http.languages import accepted_languages
from progress_worker.http.parameters import Parameter, one_of
from progress_worker.storage.read.export import ExportRunningError
from progress_worker.storage.read.views import Stamp

#: After this time a short export is over, and the server has noticed a client that went away.
_RETRY_AFTER: Final = {"Retry-After": "5"}

_OVER: Final = "The time limit of an export is over."

_log = structlog.get_logger()

FORMAT: Final[Parameter[Format]] = Parameter(
    "format",
    "`json`: everything; `csv`: one row per completion, for a spreadsheet; `xapi`: the completions "
    "that count as an array of statements of xAPI 1.0.3; `zip`: all of these, and a CSV file for "
    "each table, with a README. " + UNDO,
    one_of(tuple(FORMATS)),
    {"type": "string", "enum": list(FORMATS), "default": "json"},
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
        pieces = spool.kept() if "Content-Encoding" in headers else spool.portions()
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
    view, wanted = question.view, question.values[FORMAT]
    stamp = await view.reads.stamp(question.user_id)
    also = (await view.exports.active()).digest if FORMATS[wanted].has_texts else ""
    if unchanged := question.unchanged(stamp, _language(question, stamp, wanted), also=also):
        return unchanged
    if question.request.method == "HEAD":
        head = Response(headers=_headers(question, stamp, wanted, also))
        # The length is not known before the export is sent.
        del head.headers["Content-Length"]
        return head
    deadline = asyncio.get_running_loop().time() + view.export_seconds
    with ExitStack() as stack:
        try:
            stack.enter_context(view.exports.turn(question.user_id))
        except ExportRunningError as error:
            raise HTTPException(429, str(error), _RETRY_AFTER) from error
        spool = stack.enter_context(view.spools.open(is_packed=FORMATS[wanted].is_packed))
        stamp = await _read(question, wanted, spool, deadline)
        headers = _headers(question, stamp, wanted, also)
        return ExportResponse(spool, stack.pop_all(), deadline, headers)


async def _read(question: Asked, wanted: Format, spool: Spool, deadline: float) -> Stamp:
    """Write the whole export into the spool, so that no client keeps the database waiting."""
    view, accepted = question.view, accepted_languages(question.request.scope)
    reader = Reader(question.user_id, question.now, view.xapi_home_page, accepted, question.rarity)
    try:
        async with (
            asyncio.timeout_at(deadline),
            view.exports.open(question.user_id) as source,
        ):
            found = await exporting(reader, source, view.computing)
            async with aclosing(FORMATS[wanted].write(found)) as chunks:
                async for chunk in chunks:
                    spool.write(chunk)
            spool.finish()
            return found.stamp
    except TimeoutError as error:
        raise TransientError(_OVER) from error


def _headers(question: Asked, stamp: Stamp, wanted: Format, also: str) -> dict[str, str]:
    day, language = stamp.clock.day_of(question.now), _language(question, stamp, wanted)
    written = FORMATS[wanted]
    gzip = accepts_gzip(question.request) and not written.is_packed
    return {
        "Content-Type": written.media_type,
        "Content-Disposition": f'attachment; filename="progress-{day}.{written.ending}"',
        **caching_headers(question.tag(stamp, language, also=also), language),
        **({"Content-Encoding": "gzip"} if gzip else {}),
    }


def _language(question: Asked, stamp: Stamp, wanted: Format) -> str:
    """The languages of the texts, which only some formats have."""
    if not FORMATS[wanted].has_texts:
        return ""
    return str(languages_of(accepted_languages(question.request.scope), stamp.book))


ENDPOINTS: Final = (
    Endpoint(
        "/api/progress/export",
        of_learner(export),
        tag="export",
        answer={
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/ExportAnswer"},
                        {
                            "type": "array",
                            "items": {"type": "object"},
                            "description": "With `format=xapi`: statements of xAPI 1.0.3.",
                        },
                    ]
                }
            },
            "text/csv": {"schema": {"type": "string"}},
            "application/zip": {},
        },
        parameters=(FORMAT, USER_ID),
        needs_token=True,
        has_texts=True,
        has_rarity=True,
        about={"description": "The export, as a file."},
        statuses=(429,),
    ),
)
