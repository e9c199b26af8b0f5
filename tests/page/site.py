"""The page with the built-in rule book, behind a real socket, on a Monday at noon."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import uvicorn
from pydantic import SecretStr

from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK, free_port
from progress_worker.http.application import create_app
from progress_worker.http.front import Front
from progress_worker.http.security.authentication import mint_token
from progress_worker.settings.view import ViewSettings
from tests.http.learners import Learners
from tests.http.stage import NOON
from tests.page.pupils import PUPILS

_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where the page is, and who may look at it."""

    url: str
    settings: ViewSettings

    def link(self, user_id: str) -> str:
        """Logs a learner in, and leads to the page."""
        return f"{self.url}/login?token={quote(self.token(user_id))}"

    def token(self, user_id: str) -> str:
        return mint_token(self.settings, user_id)


@asynccontextmanager
async def open_site(database: Database) -> AsyncIterator[Site]:
    """The page, with every pupil's progress in the database."""
    settings = ViewSettings(
        view_database_url=SecretStr(database.view_url),
        jwt_issuer="https://issuer.test",
        jwt_audience="progress-view",
        jwt_secret=SecretStr("a secret for tests that is long enough"),
        view_development_login=True,
    )
    book = read_rule_book(built_in_text())
    learners = Learners(database, book)
    await learners.apply(*(c for pupil in PUPILS.values() for c in pupil()))
    await learners.close()
    app = create_app(settings, book, _noon)
    with _served(app) as url:
        yield Site(url, settings)


def _noon() -> dt.datetime:
    return NOON


@contextmanager
def _served(app: Front) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, LOOPBACK, port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        _wait_until_started(server)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        thread.join(_SECONDS)
        assert not thread.is_alive()


def _wait_until_started(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + _SECONDS
    while not server.started:
        assert time.monotonic() < deadline, "the view does not start"
        time.sleep(0.02)
