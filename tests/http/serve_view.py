"""The view as a process of its own; OPEN_FILES and HEAD_SECONDS are its limits, if given."""

from __future__ import annotations

import os
import resource
from importlib.resources import files

from progress_worker.domain.catalogue import parse_catalogue
from progress_worker.domain.skills import LevelRules
from progress_worker.http.application import serve
from progress_worker.http.serving.connections import HEAD_SECONDS
from progress_worker.settings.view import load_view_settings

if __name__ == "__main__":
    if limit := os.environ.get("OPEN_FILES"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    text = (files("progress_worker.domain") / "achievements.yaml").read_text("utf-8")
    head_seconds = float(os.environ.get("HEAD_SECONDS", HEAD_SECONDS))
    serve(load_view_settings(), parse_catalogue(text), LevelRules(), head_seconds)
