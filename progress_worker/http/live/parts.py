"""The parts of live updates, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from progress_worker.http.live.hub import Hub
from progress_worker.http.live.tickets import Tickets

#: Shorter than any proxy waits for the next byte.
HEARTBEAT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Live:
    """The parts of live updates, made once per application."""

    hub: Hub
    tickets: Tickets
    heartbeat_seconds: float = HEARTBEAT_SECONDS
