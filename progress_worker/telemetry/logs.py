"""Structured logs: events with stable names and a context, never a payload, a token or a name."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from progress_worker.errors import ProgressError
from progress_worker.settings.shared import SharedSettings

#: How those messages of each logger begin that any client can cause as often as it likes.
_CAUSED_BY_CLIENTS: Final = {
    "asyncio": ("socket.accept() out of system resource",),
    "uvicorn.error": ("Invalid HTTP request", "Unsupported upgrade", "No supported WebSocket"),
    "aiohttp.server": ("Error handling request",),
    "progress_worker.http.serving.connections": ("connection_closed",),
}
#: Libraries that log the same at each attempt while the server that they connect to is away.
_PERSISTENT: Final = frozenset({"aiokafka", "faust", "mode", "psycopg"})
#: What mode and Faust log at the end of a worker that has logged itself why it ends.
_AFTERMATH: Final = ("Reraising original exception", "Event loop is closed")
_PAUSE_SECONDS: Final = 60.0


class RepetitionFilter(logging.Filter):
    """Passes one line a minute of each kind that clients cause at will or that libraries repeat.

    The next line says how many were left out in between.
    """

    def __init__(self, pause_seconds: float = _PAUSE_SECONDS) -> None:
        super().__init__()
        self._pause_seconds = pause_seconds
        self._said_at: dict[tuple[str, ...], float] = {}
        self._left_out: dict[tuple[str, ...], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written."""
        kind = _kind(record)
        if kind is None:
            return True
        now = time.monotonic()
        if now - self._said_at.get(kind, float("-inf")) < self._pause_seconds:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        self._said_at[kind] = now
        left_out = self._left_out.pop(kind, 0)
        if isinstance(record.msg, dict):
            record.msg["left_out"] = left_out
        elif left_out:
            record.msg = f"{record.msg} ({left_out} more were left out)"
        return True


def _kind(record: logging.LogRecord) -> tuple[str, ...] | None:
    """The kind of a line that is written once a minute. None for all other lines."""
    event = record.msg if isinstance(record.msg, dict) else {"event": str(record.msg)}
    for beginning in _CAUSED_BY_CLIENTS.get(record.name, ()):
        if event["event"].startswith(beginning):
            return record.name, beginning, str(event.get("reason"))
    if not isinstance(record.msg, dict) and record.name.partition(".")[0] in _PERSISTENT:
        return record.name, record.levelname, str(record.msg)
    return None


class TracebackFilter(logging.Filter):
    """Leaves out repeated messages at the end of a worker, and tracebacks that nobody needs.

    A service that a ProgressError ends has logged that error itself. A failure of a dependency is
    not a bug, so it has no traceback. A bug has one traceback, however often it is logged.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last_error: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written."""
        if isinstance(record.msg, dict):  # an event of structlog, so one of this project
            return True
        if any(text in record.getMessage() for text in _AFTERMATH):
            return False
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        if isinstance(error, ProgressError) or error is self._last_error:
            return False
        self._last_error = error
        if isinstance(error, KafkaError | OSError):
            record.exc_info = None
        return True


def configure_logs(settings: SharedSettings) -> None:
    """Send our events and those of libraries to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(TracebackFilter())
    handler.addFilter(RepetitionFilter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    logging.captureWarnings(True)
    _leave_out_what_no_line_shows()
    for noisy in ("aiokafka", "faust", "mode", "aiohttp.access", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # A late timer logs at each delay. The work that it waited for has logged the reason.
    logging.getLogger("mode.timers").setLevel(logging.ERROR)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _leave_out_what_no_line_shows() -> None:
    """Gather no thread, process or source line for a record: a fifth of a line's time.

    Python's logging HOWTO has the list ("Optimization").
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
