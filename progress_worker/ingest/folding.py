"""Folds a batch into its loaded learners, and collects what to save and to publish."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Outcome, Unlock, apply
from progress_worker.domain.revocation import Loss
from progress_worker.ingest.decode import Decoded
from progress_worker.ingest.retention import refusal
from progress_worker.outbox.messages import DeadLetter, Messages, Record
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.batches import CompletionKey, Loaded
from progress_worker.storage.write.outbox import OutboxRecord
from progress_worker.storage.write.saving import Changes

#: A record and what it says.
Arrival: TypeAlias = tuple[Record, Decoded]
_NOT_STORED: Final = frozenset({Outcome.DUPLICATE, Outcome.ERASED})
#: Learner, achievement, occurrence and generation.
_UnlockKey: TypeAlias = tuple[str, str, int, int]


@dataclass(slots=True)
class Fold:
    """What a batch amounts to, before it is written."""

    changes: Changes
    unlocks: list[Unlock] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    messages: list[OutboxRecord] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    #: For each unlock, Kafka's timestamp (ms) of the record that led to it.
    unlocked_by: list[int] = field(default_factory=list)


def fold(
    books: RuleBooks,
    messages: Messages,
    arrivals: Sequence[Arrival],
    loaded: Loaded,
    now: dt.datetime,
    *,
    level_changes: bool,
) -> Fold:
    """Apply the arrivals one by one, at this instant (aware); this changes the loaded learners.

    With `level_changes`, levels that changed become messages too, not just unlocks and losses.
    """
    by_version = books.by_version
    latest = dict(loaded.stored)
    decided: dict[CompletionKey, Completion] = {}
    folded = Fold(Changes(()))
    stored_losses: list[Loss] = []
    cancelled: set[_UnlockKey] = set()
    for record, (completion, traceparent) in arrivals:
        key = completion.user_id, completion.event_id.int
        state = loaded.learners[completion.user_id]
        stored = latest.get(key)
        if stored is None and (error := refusal(state, completion)):
            folded.letters.append(DeadLetter(record, error))
            continue
        effects = apply(by_version[state.rule_book], state, completion, stored)
        folded.outcomes[effects.outcome] += 1
        if effects.outcome in _NOT_STORED:
            continue
        latest[key] = decided[key] = completion
        if effects.losses:
            folded.losses += effects.losses
            folded.messages += messages.revoked(effects.losses, now)
            for loss in effects.losses:
                key_of_loss = _key(loss)
                if any(_key(unlock) == key_of_loss for unlock in folded.unlocks):
                    cancelled.add(key_of_loss)  # it was unlocked in this batch
                else:
                    stored_losses.append(loss)
        for unlock in effects.unlocks:
            folded.unlocks.append(unlock)
            folded.unlocked_by.append(record.timestamp)
            folded.messages.append(messages.unlocked(unlock, traceparent, quiet=state.is_quiet))
        if level_changes:
            for change in effects.level_changes:
                folded.messages.append(messages.level_changed(change, traceparent))
    folded.changes = Changes(
        learners=[state for state in loaded.learners.values() if state.dirty.changed],
        added=[decided[key] for key in decided.keys() - loaded.stored.keys()],
        revised=[decided[key] for key in decided.keys() & loaded.stored.keys()],
        unlocks=[u for u in folded.unlocks if _key(u) not in cancelled]
        if cancelled
        else folded.unlocks,
        losses=stored_losses,
    )
    return folded


def _key(found: Unlock | Loss) -> _UnlockKey:
    return found.user_id, found.achievement.id, found.occurrence, found.generation
