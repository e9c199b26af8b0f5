"""Reads events from lines of JSON as the worker reads them from records."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from pydantic_core import from_json

from progress_worker.commands.decode import excuse_of
from progress_worker.domain.calendar import DayStarts
from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from progress_worker.events.cloudevents import STRUCTURED_JSON, Envelope, Headers
from progress_worker.events.commands import DAYS_EXCUSED, StreakDaysExcused
from progress_worker.events.decoding import TopicReader, decoder_of
from progress_worker.ingest.decode import Decoder

_STRUCTURED: Final = (("content-type", STRUCTURED_JSON.encode()),)


class LineReader:
    """Reads completions, bare or as structured CloudEvents, and excuses as structured CloudEvents.

    It is a pure function of line and clock.
    """

    def __init__(
        self, day_starts: DayStarts, *, max_value_bytes: int, max_future_seconds: float
    ) -> None:
        """Refuse lines with more bytes, and events further in the future."""
        self._max_future_seconds = max_future_seconds
        self._completions = Decoder(
            max_value_bytes=max_value_bytes,
            max_future_seconds=max_future_seconds,
            day_starts=lambda: day_starts,
        )
        self._excuses = TopicReader(
            {DAYS_EXCUSED: decoder_of(StreakDaysExcused, self._excuse)}, bare=DAYS_EXCUSED
        )

    def read(self, line: bytes, now: dt.datetime) -> Completion | Excuse:
        """The event of a line that is not blank; `now` is aware.

        Raises PoisonError for a line that breaks a rule of the contract.
        """
        event = _object(line)
        headers: Headers = _STRUCTURED if "specversion" in event else ()
        if headers and event.get("type") == DAYS_EXCUSED:
            return self._excuses.read(None, line, headers, now)
        return self._completions.decode(None, line, headers, now).completion

    def _excuse(self, event: StreakDaysExcused, _envelope: Envelope, now: dt.datetime) -> Excuse:
        return excuse_of(event, now, self._max_future_seconds)


def _object(line: bytes) -> dict[str, Any]:
    """The line's object; empty for anything else, whose mistake the decoder names."""
    try:
        found = from_json(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
