"""The page with the built-in rule book, behind a real socket, on a Monday at noon."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

from progress_worker.domain.completion import Completion
from progress_worker.domain.rulebook import RuleBook, built_in_text, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.http.application import create_app
from progress_worker.http.page.languages import Languages
from progress_worker.http.security.authentication import mint_token
from progress_worker.settings.view import ViewSettings
from tests.harness.served import served
from tests.http.learners import Learners
from tests.http.stage import NOON
from tests.page.pupils import PUPILS

#: The built-in rule book, with a name for one of the topics.
BOOK: Final = read_rule_book(
    f"{built_in_text()}\ntopics:\n  operating-systems: {{name: How computers work}}\n"
)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the page is, and who may look at it."""

    url: str
    settings: ViewSettings

    def link(self, user_id: str) -> str:
        """Logs a learner in, and leads to the page."""
        return f"{self.url}/login?token={quote(self.token(user_id))}"

    def token(self, user_id: str, scope: str = "") -> str:
        return mint_token(self.settings, user_id, scope=scope)


async def add(database: Database, *completions: Completion, book: RuleBook = BOOK) -> None:
    """Apply completions of learners who have none."""
    learners = Learners(database, book)
    await learners.apply(*completions)
    await learners.close()


async def add_pupils(database: Database, book: RuleBook = BOOK) -> None:
    """Apply every pupil's progress."""
    await add(database, *(c for pupil in PUPILS.values() for c in pupil()), book=book)


@contextmanager
def open_site(
    database: Database,
    *,
    development_login: bool = True,
    book: RuleBook = BOOK,
    page_languages: Languages | None = None,
) -> Iterator[Site]:
    """The page of the learners in the database."""
    settings = ViewSettings(
        view_database_url=SecretStr(database.view_url),
        jwt_issuer="https://issuer.test",
        jwt_audience="progress-view",
        jwt_secret=SecretStr("a secret for tests that is long enough"),
        view_development_login=development_login,
    )
    with served(create_app(settings, book, _noon, page_languages=page_languages)) as url:
        yield Site(url, settings)


def _noon() -> dt.datetime:
    return NOON
