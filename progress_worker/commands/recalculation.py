"""Derives one learner's progress again from the stored completions.

Everything that follows from the completions is replaced; unlocks that are earned now are added as
backdated, and none is taken away. Runs as one transaction under the same version check as a batch.
"""

from __future__ import annotations

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.reducer import Rebuild, Reducer, Unlock
from progress_worker.domain.state import LearnerState, SkillLevel
from progress_worker.errors import PoisonError, Reason
from progress_worker.outbox.messages import Messages
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.write import learners
from progress_worker.storage.write.histories import connect_for_histories, history
from progress_worker.storage.write.saving import Changes, save, touch_all

_log = structlog.get_logger()


class Recalculation:
    """Recalculates learners on request."""

    def __init__(
        self,
        engine: AsyncEngine,
        reducer: Reducer,
        messages: Messages,
        *,
        time_limit_seconds: float,
    ) -> None:
        self._engine = engine
        self._reducer = reducer
        self._messages = messages
        self._time_limit = time_limit_seconds

    async def recalculate(self, user_id: str, topic: str | None = None) -> list[Unlock]:
        """Returns the unlocks that were added; with `topic`, other topics keep their levels.

        Raises TransientError, PoisonError and FatalError as a batch does. A learner who was never
        seen is left alone; one whose old completions were deleted is refused: sums would be lost.
        The time limit grows with the number of completions, and other tasks run meanwhile.
        """
        async with connect_for_histories(self._engine, [user_id], self._time_limit) as connection:
            unlocks = await self._write(connection, user_id, topic)
            await connection.commit()
        _log.info("recalculated", unlocks=len(unlocks))
        return unlocks

    async def check_database(self) -> None:
        """Raises TransientError unless Postgres answers within the time limit."""
        async with connect_for(self._engine, self._time_limit) as connection:
            await connection.execute("SELECT")

    async def _write(self, connection: Connection, user_id: str, topic: str | None) -> list[Unlock]:
        stored = await learners.load_learner(connection, self._reducer, user_id)
        if stored is None:
            return []
        if stored.kept_from is not None:
            raise PoisonError(
                Reason.BEYOND_RETENTION,
                "the learner's sums hold completions that were deleted",
            )
        rebuild = Rebuild(self._reducer, user_id, stored.unlocked)
        async for completion in history(connection, user_id):
            rebuild.add(completion)
        derived, unlocks = rebuild.finish()
        derived.version = stored.version
        _keep_history(derived, stored, topic)
        touch_all(derived)
        messages = [self._messages.unlocked(unlock, None) for unlock in unlocks]
        await save(connection, Changes([derived], unlocks=unlocks), messages, instead=True)
        return unlocks


def _keep_history(derived: LearnerState, stored: LearnerState, only: str | None) -> None:
    """A level that stays keeps what was said of its change when the events arrived."""
    if only is not None:
        derived.levels = {topic: derived.levels[topic] for topic in derived.levels.keys() & {only}}
    for topic, before in stored.levels.items():
        now = derived.level(topic)
        if now.level == before.level or only not in {None, topic}:
            derived.levels[topic] = before
        elif now.updated_at is None:
            derived.levels[topic] = SkillLevel(now.level, before.level, before.updated_at)
