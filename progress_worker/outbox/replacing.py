"""Derives learners again, and replaces in one transaction what is stored differently."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

from progress_worker.domain.derive import replacement
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.state import LearnerState
from progress_worker.outbox.messages import Messages
from progress_worker.storage.database import Connection
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.expiries import Expiries
from progress_worker.storage.write.histories import derive
from progress_worker.storage.write.saving import Changes, save


async def derive_and_replace(
    connection: Connection,
    books: RuleBooks,
    messages: Messages,
    expiries: Expiries | None,
    stored: Mapping[str, LearnerState],
    *,
    newest: bool,
    only_topic: str | None = None,
) -> list[Unlock]:
    """Replace these learners, who have every day; the caller commits. Returns the new unlocks.

    Derives by the active rule book with `newest`, otherwise by each learner's own. Each new unlock
    gets its message in the outbox. With `only_topic`, other topics keep their levels. Raises
    LearnerChangedError for a learner who was saved meanwhile, PoisonError and psycopg.Error.
    """
    states: list[LearnerState] = []
    unlocks: list[Unlock] = []
    async with aclosing(derive(connection, books, stored, newest=newest)) as learners:
        async for before, derived in learners:
            state, earned = replacement(before, derived, only_topic)
            states.append(state)
            unlocks += earned
    records = [messages.unlocked(unlock, None) for unlock in unlocks]
    await save(connection, Changes(states, unlocks=unlocks), records, expiries)
    return unlocks
