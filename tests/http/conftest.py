"""A view on a database of its own, filled by the worker's rules, and a clock to set."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from pydantic import SecretStr
from sqlalchemy import Table, delete, insert
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.ext.asyncio import create_async_engine

from progress_worker.domain.calendar import local_day
from progress_worker.domain.catalogue import Catalogue, parse_catalogue
from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Reducer, Unlock
from progress_worker.domain.skills import LevelRules
from progress_worker.domain.state import LearnerState
from progress_worker.embedded.database import Database
from progress_worker.http.application import create_app
from progress_worker.settings import ViewSettings
from progress_worker.storage.migrate import sqlalchemy_url
from progress_worker.storage.tables import (
    achievement_unlock,
    completion,
    learner,
    learner_day,
    learner_total,
    skill_level,
)

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


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> dt.datetime:
        return self.now

    def set(self, text: str) -> None:
        self.now = dt.datetime.fromisoformat(text)


class Stage:
    """A view, what it reads, and who asks it."""

    def __init__(self, database: Database, settings: ViewSettings, catalogue: Catalogue) -> None:
        self.database = database
        self.settings = settings
        self.clock = Clock()
        self.app = create_app(settings, catalogue, LevelRules(), self.clock)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://view.test", timeout=30
        )
        self._reducer = Reducer(catalogue, LevelRules())
        self._states: dict[str, LearnerState] = {}
        self._completions: dict[tuple[str, UUID], Completion] = {}
        self._unlocks: list[Unlock] = []
        self._engine = create_async_engine(
            sqlalchemy_url(database.worker_url), connect_args={"connect_timeout": 10}
        )

    async def complete(
        self,
        at: str,
        *,
        user_id: str = "ada",
        topic: str = "algorithms",
        difficulty: Literal["easy", "medium", "hard"] = "easy",
        grade: float | None = 80,
        seconds: int = 60,
        hints: int = 0,
        timezone: str | None = None,
        event_id: UUID | None = None,
        revision: int = 0,
        revoked: bool = False,
        exercise_id: str = "two-sum",
    ) -> UUID:
        """What one event leads to by the worker's rules; returns its id."""
        completed_at = dt.datetime.fromisoformat(at)
        arrival = Completion(
            user_id=user_id,
            event_id=event_id or uuid4(),
            revision=revision,
            revoked=revoked,
            exercise_id=exercise_id,
            topic=topic,
            difficulty=difficulty,
            grade_hundredths=None if grade is None else round(grade * 100),
            time_spent_seconds=seconds,
            hints_used=hints,
            completed_at=completed_at.astimezone(dt.UTC),
            timezone=timezone,
            local_day=local_day(completed_at, timezone),
        )
        await self._apply(arrival)
        return arrival.event_id

    async def _apply(self, arrival: Completion) -> None:
        state = self._states.get(arrival.user_id)
        if state is None:
            state = self._states[arrival.user_id] = self._reducer.new_learner(arrival.user_id)
        key = (arrival.user_id, arrival.event_id)
        stored = self._completions.get(key)
        self._unlocks += self._reducer.apply(state, arrival, stored).unlocks
        self._completions[key] = arrival
        state.version += 1
        async with self._engine.begin() as connection:
            for table, rows in self._rows(state).items():
                await connection.execute(delete(table).where(table.c.user_id == state.user_id))
                if rows:
                    await connection.execute(insert(table), rows)

    def _rows(self, state: LearnerState) -> dict[Table, list[dict[str, Any]]]:
        """Everything that the worker keeps about the learner."""
        user = {"user_id": state.user_id}
        return {
            learner: [
                {
                    **user,
                    "version": state.version,
                    "active_days": [
                        Range(dt.date.fromordinal(first), dt.date.fromordinal(last + 1))
                        for first, last in state.active_days.runs
                    ],
                    "timezone": state.zone and state.zone.timezone,
                    "timezone_at": state.zone and state.zone.completed_at,
                    "timezone_event_id": state.zone and state.zone.event_id,
                    "counters": state.counters,
                }
            ],
            completion: [
                {name: getattr(c, name) for name in _STORED}
                for c in self._completions.values()
                if c.user_id == state.user_id
            ],
            learner_total: [
                {**user, **cell._asdict(), **asdict(totals)}
                for cell, totals in state.totals.items()
            ],
            learner_day: [
                {**user, "local_day": day, **cell._asdict(), **asdict(totals)}
                for day, cells in state.days.items()
                for cell, totals in cells.items()
            ],
            skill_level: [
                {
                    **user,
                    "topic": topic,
                    "level": skill.level,
                    "previous_level": skill.previous_level,
                    "level_updated_at": skill.updated_at,
                }
                for topic, skill in state.levels.items()
            ],
            achievement_unlock: [
                {
                    **user,
                    "achievement_id": unlock.achievement.id,
                    "unlocked_at": unlock.trigger.completed_at,
                    "local_day": unlock.trigger.local_day,
                    "triggering_event_id": unlock.trigger.event_id,
                    "rule_version": unlock.rule_version,
                    "measure": unlock.progress.measure,
                    "value": unlock.progress.current,
                    "target": unlock.progress.target,
                    "backdated": unlock.backdated,
                }
                for unlock in self._unlocks
                if unlock.user_id == state.user_id
            ],
        }

    def token(self, user_id: str = "ada", /, **claims: object) -> str:
        """A good token, but for the claims that are given; None leaves one out."""
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
        """The body of an answer that has to be 200."""
        answer = await self.get(path, user_id, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def close(self) -> None:
        await self.client.aclose()
        await self._engine.dispose()


StageMaker = Callable[..., Awaitable[Stage]]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return parse_catalogue(CATALOGUE)


@asynccontextmanager
async def _open(database: Database, catalogue: Catalogue, options: Any) -> AsyncIterator[Stage]:
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
    opened = Stage(database, settings, catalogue)
    async with opened.app.router.lifespan_context(opened.app):
        yield opened
    await opened.close()


@pytest.fixture
async def stages(catalogue: Catalogue) -> AsyncIterator[StageMaker]:
    """Makes stages on a given database, with other settings than the usual."""
    async with AsyncExitStack() as stack:

        async def make(database: Database, **options: object) -> Stage:
            return await stack.enter_async_context(_open(database, catalogue, options))

        yield make


@pytest.fixture
async def stage(migrated_database: Database, stages: StageMaker) -> Stage:
    """A view on an empty database, a Monday at noon."""
    return await stages(migrated_database)
