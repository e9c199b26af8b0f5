"""Derives learners again, and replaces in one transaction what is stored differently.

A move to the active rule book is a back-fill: that rule book says how its unlocks are announced.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

from progress_worker.domain.derive import replacement
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.revocation import Loss, LossReason
from progress_worker.domain.rulebook_file import Announce
from progress_worker.domain.state import LearnerState
from progress_worker.outbox.messages import Messages
from progress_worker.storage.database import Connection
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.expiries import Expiries
from progress_worker.storage.write.histories import derive
from progress_worker.storage.write.outbox import OutboxRecord
from progress_worker.storage.write.saving import Changes, save


class Replaced(NamedTuple):
    """What was unlocked and what was lost."""

    unlocks: list[Unlock]
    losses: list[Loss]


async def derive_and_replace(
    connection: Connection,
    books: RuleBooks,
    messages: Messages,
    expiries: Expiries | None,
    stored: Mapping[str, LearnerState],
    *,
    newest: bool,
    reason: LossReason = "rules",
    only_topic: str | None = None,
) -> Replaced:
    """Replace these learners, who have every day and bucket; the caller commits.

    Derives by the active rule book with `newest`, otherwise by each learner's own. What is
    published goes to the outbox. `reason` is that of losses. With `only_topic`, other topics keep
    their levels. Raises LearnerChangedError for a learner who was saved meanwhile, PoisonError and
    psycopg.Error.
    """
    announce: Announce = books.active.content.announce if newest else "all"
    now = dt.datetime.now(dt.UTC)
    states: list[LearnerState] = []
    replaced = Replaced([], [])
    records: list[OutboxRecord] = []
    by = books.active if newest else None
    learners = derive(connection, books, stored, by=by, reason=reason)
    async with aclosing(learners):
        async for before, derived in learners:
            state, earned = replacement(before, derived, only_topic)
            states.append(state)
            replaced.unlocks.extend(earned)
            replaced.losses.extend(derived.losses)
            records += messages.revoked(derived.losses, now)
            records += _announced(messages, earned, announce, now, quiet=state.is_quiet)
    changes = Changes(states, unlocks=replaced.unlocks, losses=replaced.losses)
    await save(connection, changes, records, expiries)
    return replaced


def _announced(
    messages: Messages,
    earned: Sequence[Unlock],
    announce: Announce,
    now: dt.datetime,
    *,
    quiet: bool,
) -> list[OutboxRecord]:
    """What is published of one learner's new unlocks."""
    if not earned or announce == "none":
        return []
    if announce == "digest":
        return [messages.backfilled(earned, now, quiet=quiet)]
    return [messages.unlocked(unlock, None, quiet=quiet) for unlock in earned]
