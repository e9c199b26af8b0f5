"""The view in a process of its own; OPEN_FILES and HEAD_SECONDS are its limits, if given."""

from __future__ import annotations

import os
import resource

from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.http.application import serve
from progress_worker.http.serving.connections import HEAD_SECONDS
from progress_worker.settings.view import load_view_settings


def serve_from_environment() -> None:
    """Serve the view until a signal ends it."""
    if limit := os.environ.get("OPEN_FILES"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    head_seconds = float(os.environ.get("HEAD_SECONDS", HEAD_SECONDS))
    serve(load_view_settings(), read_rule_book(built_in_text()), head_seconds)
