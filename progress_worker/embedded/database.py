"""The addresses of one database: its owner's, the worker's and the view's."""

from __future__ import annotations

from dataclasses import dataclass

OWNER_ROLE = "postgres"
WORKER_ROLE = "progress_worker"
VIEW_ROLE = "progress_view"


@dataclass(frozen=True, slots=True)
class Database:
    """A database and the URLs by which each role reaches it."""

    name: str
    owner_url: str
    worker_url: str
    view_url: str
