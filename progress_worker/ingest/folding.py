"""Folds a batch into its loaded learners, and collects what to save and to publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Outcome, Unlock, apply
from progress_worker.ingest.decode import Decoded
from progress_worker.ingest.retention import refusal
from progress_worker.outbox.messages import DeadLetter, Messages, Record
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.learners import CompletionKey, Loaded
from progress_worker.storage.write.outbox import OutboxRecord
from progress_worker.storage.write.saving import Changes

#: A record and what it says.
Arrival: TypeAlias = tuple[Record, Decoded]


@dataclass(slots=True)
class Fold:
    """What a batch amounts to, before it is written."""

    changes: Changes
    unlocks: list[Unlock] = field(default_factory=list)
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
    *,
    level_changes: bool,
) -> Fold:
    """Apply the arrivals one by one; this changes the loaded learners.

    With `level_changes`, levels that changed become messages too, not just unlocks.
    """
    by_version = books.by_version
    latest = dict(loaded.stored)
    decided: dict[CompletionKey, Completion] = {}
    folded = Fold(Changes(()))
    for record, (completion, traceparent) in arrivals:
        key = completion.user_id, completion.event_id.int
        state = loaded.learners[completion.user_id]
        stored = latest.get(key)
        if stored is None and (error := refusal(state, completion)):
            folded.letters.append(DeadLetter(record, error))
            continue
        effects = apply(by_version[state.rule_book], state, completion, stored)
        folded.outcomes[effects.outcome] += 1
        if effects.outcome is Outcome.DUPLICATE:
            continue
        latest[key] = decided[key] = completion
        for unlock in effects.unlocks:
            folded.unlocks.append(unlock)
            folded.unlocked_by.append(record.timestamp)
            folded.messages.append(messages.unlocked(unlock, traceparent))
        if level_changes:
            for change in effects.level_changes:
                folded.messages.append(messages.level_changed(change, traceparent))
    folded.changes = Changes(
        learners=[state for state in loaded.learners.values() if state.dirty.changed],
        added=[decided[key] for key in decided.keys() - loaded.stored.keys()],
        revised=[decided[key] for key in decided.keys() & loaded.stored.keys()],
        unlocks=folded.unlocks,
    )
    return folded
