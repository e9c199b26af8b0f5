"""One line a minute of each kind that clients can cause at will."""

from __future__ import annotations

import logging

from progress_worker.telemetry.logs import RepetitionFilter

NO_FILES = "socket.accept() out of system resource\nsocket: <asyncio.TransportSocket fd=7>"


def line(logger: str, message: object) -> logging.LogRecord:
    return logging.LogRecord(logger, logging.ERROR, __file__, 1, message, None, None)


def test_a_kind_is_written_once_in_a_while() -> None:
    repetition = RepetitionFilter()
    closed = {"event": "connection_closed"}
    lines = [
        line("asyncio", NO_FILES),
        line("uvicorn.error", "Invalid HTTP request received."),
        line("progress_worker.http.serving.connections", closed | {"reason": "too_many"}),
        line("progress_worker.http.serving.connections", closed | {"reason": "refused"}),
    ]
    assert [repetition.filter(found) for found in 2 * lines] == 4 * [True] + 4 * [False]


def test_other_lines_are_all_written() -> None:
    repetition = RepetitionFilter()
    for found in 2 * [
        line("asyncio", "Task exception was never retrieved"),
        line("uvicorn.error", "Exception in ASGI application\n"),
        line("progress_worker.http.middleware", {"event": "view_request_failed"}),
    ]:
        assert repetition.filter(found)


def test_the_next_line_says_how_many_were_left_out() -> None:
    repetition = RepetitionFilter()
    first, second, third, fourth = (line("asyncio", NO_FILES) for _ in range(4))
    assert [repetition.filter(found) for found in (first, second, third)] == [True, False, False]
    repetition._pause_seconds = 0
    assert repetition.filter(fourth)
    assert fourth.msg == f"{NO_FILES} (2 more were left out)"
