"""Learners by the worker's rules, but without its code for loading and saving."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Table, delete, insert
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.ext.asyncio import create_async_engine

from progress_worker.domain.completion import Completion
from progress_worker.domain.days import Run
from progress_worker.domain.excuses import Excuse, excused_days
from progress_worker.domain.preferences import Preference
from progress_worker.domain.reducer import Unlock, apply
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState
from progress_worker.embedded.database import Database
from progress_worker.storage.preferences import COLUMNS, preference_row
from progress_worker.storage.schema.tables import (
    achievement_unlock,
    completion,
    excuse,
    learner,
    learner_day,
    learner_preference,
    learner_total,
    skill_level,
)

_STORED = [column.name for column in completion.c if column.server_default is None]


class Learners:
    """Every learner of a database, in memory and in its tables."""

    def __init__(self, database: Database, book: RuleBook) -> None:
        self._book = book
        self._states: dict[str, LearnerState] = {}
        self._completions: dict[tuple[str, UUID], Completion] = {}
        self._excuses: dict[tuple[str, UUID], Excuse] = {}
        self._preferences: dict[str, Preference] = {}
        self._unlocks: list[Unlock] = []
        self._engine = create_async_engine(
            database.owner_url.replace("postgresql:", "postgresql+psycopg:"),
            connect_args={"connect_timeout": 10},
        )

    async def close(self) -> None:
        await self._engine.dispose()

    async def apply(self, *arrivals: Completion) -> None:
        await self._save({arrival.user_id: self._fold(arrival) for arrival in arrivals})

    async def excuse(self, *arrivals: Excuse) -> None:
        touched = {}
        for arrival in arrivals:
            state = touched[arrival.user_id] = self._state(arrival.user_id)
            self._excuses[arrival.user_id, arrival.excuse_id] = arrival
            theirs = [each for each in self._excuses.values() if each.user_id == arrival.user_id]
            state.streaks.set_excused(excused_days(theirs))
            state.version += 1
        await self._save(touched)

    async def prefer(self, user_id: str, preference: Preference) -> None:
        state = self._state(user_id)
        self._preferences[user_id] = preference
        state.gamification = preference.gamification
        state.version += 1
        await self._save({user_id: state})

    async def _save(self, touched: dict[str, LearnerState]) -> None:
        async with self._engine.begin() as connection:
            for state in touched.values():
                for table, rows in self._rows(state).items():
                    await connection.execute(delete(table).where(table.c.user_id == state.user_id))
                    if rows:
                        await connection.execute(insert(table), rows)

    def _state(self, user_id: str) -> LearnerState:
        return self._states.setdefault(user_id, self._book.new_learner(user_id))

    def _fold(self, arrival: Completion) -> LearnerState:
        state = self._state(arrival.user_id)
        key = (arrival.user_id, arrival.event_id)
        stored = self._completions.get(key)
        self._unlocks += apply(self._book, state, arrival, stored).unlocks
        self._completions[key] = arrival
        state.version += 1
        return state

    def _rows(self, state: LearnerState) -> dict[Table, list[dict[str, Any]]]:
        """Everything that the worker keeps about the learner."""
        user = {"user_id": state.user_id}
        return {
            learner: [
                {
                    **user,
                    "version": state.version,
                    "active_days": _ranges(state.streaks.active.runs),
                    "excused_days": _ranges(state.streaks.excused.runs),
                    "travel_days": _ranges(state.streaks.travelled.runs),
                    "timezone": state.zone and state.zone[2],
                    "timezone_at": state.zone and state.zone[0],
                    "timezone_event_id": state.zone and state.zone[1],
                    "utc_offset_minutes": state.offset and state.offset[2],
                    "day_starts_at": state.day_start and state.day_start[2],
                    "counters": state.counters,
                    "gamification": None if state.gamification == "on" else state.gamification,
                }
            ],
            completion: [
                {name: getattr(c, name) for name in _STORED}
                for c in self._completions.values()
                if c.user_id == state.user_id
            ],
            excuse: [
                each._asdict() for each in self._excuses.values() if each.user_id == state.user_id
            ],
            learner_preference: [
                dict(zip(("user_id", *COLUMNS), preference_row(user_id, preference), strict=True))
                for user_id, preference in self._preferences.items()
                if user_id == state.user_id
            ],
            learner_total: [
                {**user, "topic": topic, "difficulty": difficulty, **asdict(totals)}
                for (topic, difficulty), totals in state.totals.items()
            ],
            learner_day: [
                user | {"local_day": day, "topic": topic, "difficulty": difficulty} | asdict(totals)
                for day, cells in state.days.items()
                for (topic, difficulty), totals in cells.items()
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
                    "occurrence": unlock.occurrence,
                    "generation": unlock.generation,
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


def _ranges(runs: list[Run]) -> list[Range[dt.date]]:
    return [
        Range(dt.date.fromordinal(first), dt.date.fromordinal(last + 1)) for first, last in runs
    ]
