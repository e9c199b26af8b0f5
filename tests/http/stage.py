"""A view on a database of its own, filled by the worker's rules, and a clock to set."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypedDict, Unpack
from uuid import UUID, uuid4

import httpx
import jwt
from pydantic import SecretStr

from progress_worker.domain.calendar import local_day, local_time, utc_offset_minutes
from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse, ExcuseKind
from progress_worker.domain.preferences import Preference
from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.vocabulary import Difficulty
from progress_worker.embedded.database import Database
from progress_worker.http.application import create_app
from progress_worker.settings.view import ViewSettings
from progress_worker.storage.schema.tables import completion
from tests.http.learners import Learners

SECRET = "a secret that only this test's issuer and the view know"
ISSUER, AUDIENCE = "https://issuer.test", "progress-view"

CATALOGUE = """
version: 3
achievements:
  - {id: first, name: First, description: One exercise., category: milestones, tier: bronze,
     points: 10, icon: star, rule: {exercises_completed: {at_least: 1}}}
  - {id: three_days, name: Three days, description: Three days., category: streaks, tier: silver,
     points: 30, icon: flame, rule: {streak: {days: 3}}}
  - {id: hard_ones, name: Hard ones, description: Two hard ones., category: effort, tier: gold,
     points: 50, icon: rock, rule: {exercises_completed: {at_least: 2, difficulty: hard}}}
  - {id: wide, name: Wide, description: Four topics., category: breadth, tier: platinum,
     points: 100, icon: map, rule: {distinct_topics: {at_least: 4}}}
"""

_STORED = [column.name for column in completion.c if column.server_default is None]

#: A Monday at noon.
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


class Event(TypedDict, total=False):
    """The fields of a completion that a test may set."""

    user_id: str
    topic: str
    difficulty: Difficulty
    grade: float | None
    seconds: int
    hints: int
    timezone: str | None
    day_starts_at: int
    event_id: UUID
    revision: int
    revoked: bool
    exercise_id: str


def completion_at(at: str, **event: Unpack[Event]) -> Completion:
    """A completion at that moment; by default an easy exercise of ada's."""
    completed_at = dt.datetime.fromisoformat(at)
    zone, grade, hour = event.get("timezone"), event.get("grade", 80), event.get("day_starts_at")
    local = local_time(completed_at, zone)
    return Completion(
        user_id=event.get("user_id", "ada"),
        event_id=event.get("event_id") or uuid4(),
        revision=event.get("revision", 0),
        revoked=event.get("revoked", False),
        exercise_id=event.get("exercise_id", "two-sum"),
        topic=event.get("topic", "algorithms"),
        difficulty=event.get("difficulty", "easy"),
        grade_hundredths=None if grade is None else round(grade * 100),
        time_spent_seconds=event.get("seconds", 60),
        hints_used=event.get("hints", 0),
        completed_at=completed_at.astimezone(dt.UTC),
        timezone=zone,
        local_day=local_day(local, hour or 0),
        utc_offset_minutes=utc_offset_minutes(local),
        day_starts_at=hour,
        local_day_hour=hour or 0,
    )


def excuse_of(
    first_day: str,
    last_day: str | None = None,
    *,
    user_id: str = "ada",
    kind: ExcuseKind = "pause",
    excuse_id: UUID | None = None,
    revision: int = 0,
    revoked: bool = False,
) -> Excuse:
    """An excuse for these days, by default for one day of ada's."""
    return Excuse(
        user_id=user_id,
        excuse_id=excuse_id or uuid4(),
        revision=revision,
        revoked=revoked,
        issued_at=NOON,
        kind=kind,
        first_day=dt.date.fromisoformat(first_day),
        last_day=dt.date.fromisoformat(last_day or first_day),
    )


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> dt.datetime:
        return self.now

    def set(self, text: str) -> None:
        self.now = dt.datetime.fromisoformat(text)


class Stage:
    """A view, its database and clock, and a client."""

    def __init__(self, database: Database, settings: ViewSettings, book: RuleBook) -> None:
        self.database = database
        self.settings = settings
        self.clock = Clock()
        self.app = create_app(settings, book, self.clock)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://view.test", timeout=30
        )
        self._learners = Learners(database, book)
        self._revision = 0

    async def complete(self, at: str, **event: Unpack[Event]) -> UUID:
        """Apply one completion by the worker's rules; returns its id."""
        arrival = completion_at(at, **event)
        await self._learners.apply(arrival)
        return arrival.event_id

    async def excuse(self, first_day: str, last_day: str | None = None) -> None:
        """Excuse days of ada's."""
        await self._learners.excuse(excuse_of(first_day, last_day))

    async def prefer(self, user_id: str = "ada", /, **chosen: Any) -> None:
        """Set all preferences of a learner, now unless `issued_at` says otherwise."""
        self._revision += 1
        preference = Preference(self._revision, chosen.pop("issued_at", self.clock.now), **chosen)
        await self._learners.prefer(user_id, preference)

    def token(self, user_id: str = "ada", /, **claims: object) -> str:
        """A good token with these claims changed; None leaves a claim out."""
        now = dt.datetime.now(dt.UTC)
        good = {"sub": user_id, "iss": ISSUER, "aud": AUDIENCE, "exp": now + dt.timedelta(hours=1)}
        merged = {name: value for name, value in (good | claims).items() if value is not None}
        return jwt.encode(merged, SECRET, "HS256")

    async def get(
        self,
        path: str,
        user_id: str = "ada",
        /,
        *,
        method: str = "GET",
        scope: str = "",
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> httpx.Response:
        """Ask about progress with a good token."""
        return await self.client.request(
            method,
            f"/api/progress{path}",
            params=query,
            headers={
                "Authorization": f"Bearer {self.token(user_id, scope=scope)}",
                **(headers or {}),
            },
        )

    async def read(self, path: str, user_id: str = "ada", /, **query: Any) -> Any:
        """The body of an answer that must be 200."""
        answer = await self.get(path, user_id, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def close(self) -> None:
        await self.client.aclose()
        await self._learners.close()


StageMaker = Callable[..., Awaitable[Stage]]


@asynccontextmanager
async def open_stage(
    database: Database, options: dict[str, Any], rules: str = ""
) -> AsyncIterator[Stage]:
    """A view with these settings beside the usual ones, and these lines in its rule book."""
    settings = ViewSettings(
        **{
            "view_database_url": SecretStr(database.view_url),
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
            "jwt_secret": SecretStr(SECRET),
            "jwt_leeway_seconds": 0,
            **options,
        }
    )
    opened = Stage(database, settings, read_rule_book(CATALOGUE + rules))
    yield opened
    await opened.app.close()
    await opened.close()
