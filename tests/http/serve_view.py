"""The view in a process of its own, or in PROCESSES.

OPEN_FILES, HEAD_SECONDS and HEARTBEAT_SECONDS are its limits, if given.
"""

from __future__ import annotations

import os
import resource

from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.http.application import serve
from progress_worker.http.live.parts import HEARTBEAT_SECONDS
from progress_worker.http.serving.connections import HEAD_SECONDS
from progress_worker.settings.view import load_view_settings


def serve_from_environment() -> None:
    """Serve the view until a signal ends it."""
    if limit := os.environ.get("OPEN_FILES"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    head_seconds = float(os.environ.get("HEAD_SECONDS", HEAD_SECONDS))
    heartbeat_seconds = float(os.environ.get("HEARTBEAT_SECONDS", HEARTBEAT_SECONDS))
    book = read_rule_book(built_in_text())
    processes = int(os.environ.get("PROCESSES", "1"))
    serve(load_view_settings(), book, head_seconds, heartbeat_seconds, processes)
