"""The view as a process of its own, with the default catalogue and a database full of data."""

from __future__ import annotations

from importlib.resources import files

from progress_worker.domain.catalogue import parse_catalogue
from progress_worker.domain.skills import LevelRules
from progress_worker.http.application import serve
from progress_worker.settings import load_view_settings

if __name__ == "__main__":
    text = (files("progress_worker.domain") / "achievements.yaml").read_text("utf-8")
    serve(load_view_settings(), parse_catalogue(text), LevelRules())
