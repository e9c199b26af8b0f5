"""Folds events by a rule book in memory, as the worker would fold them into the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import Derivation
from progress_worker.domain.excuses import Excuse, excused_days
from progress_worker.domain.occurrences import hold, release, unlock_name
from progress_worker.domain.reducer import Outcome, Unlock, apply
from progress_worker.domain.revisions import supersedes
from progress_worker.domain.revocation import Loss, LossReason
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rules import DAYS_BIT
from progress_worker.domain.state import LearnerState


@dataclass(slots=True)
class TriedLearner:
    """A learner's progress after the events so far, and their facts at the highest revisions.

    `story` has what was unlocked and lost, in the order in which it happened.
    """

    state: LearnerState
    story: list[Unlock | Loss] = field(default_factory=list)
    completions: dict[UUID, Completion] = field(default_factory=dict)
    excuses: dict[UUID, Excuse] = field(default_factory=dict)


class Trial:
    """All learners of a file. Memory grows with learners, their days, and completions."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._learners: dict[str, TriedLearner] = {}

    @property
    def learners(self) -> Iterator[TriedLearner]:
        """The learners by their ids."""
        return (self._learners[user_id] for user_id in sorted(self._learners))

    def add(self, fact: Completion | Excuse) -> bool:
        """Fold the next fact in. False for a repeat, which changes nothing."""
        learner = self._learners.get(fact.user_id)
        if learner is None:
            state = self._book.new_learner(fact.user_id)
            state.proofs = {}  # nothing is stored, so what may prove travel is remembered
            learner = self._learners[fact.user_id] = TriedLearner(state)
        if isinstance(fact, Excuse):
            return self._excuse(learner, fact)
        return self._complete(learner, fact)

    def _complete(self, learner: TriedLearner, arrival: Completion) -> bool:
        stored = learner.completions.get(arrival.event_id)
        effects = apply(self._book, learner.state, arrival, stored)
        if effects.outcome is Outcome.DUPLICATE:
            return False
        learner.completions[arrival.event_id] = arrival
        learner.story += [*effects.losses, *effects.unlocks]
        return True

    def _excuse(self, learner: TriedLearner, excuse: Excuse) -> bool:
        stored = learner.excuses.get(excuse.excuse_id)
        if stored is not None and not supersedes(excuse.revision, stored.revision):
            return False
        learner.excuses[excuse.excuse_id] = excuse
        state = learner.state
        state.streaks.set_excused(excused_days(learner.excuses.values()))
        if self._book.index.due(state, DAYS_BIT) or self._book.withdrawable.fails(state):
            self._rederive(learner, "revoked" if excuse.revoked else "revised")
        return True

    def _rederive(self, learner: TriedLearner, reason: LossReason) -> None:
        """Unlock what holds now, each by the completion that in order of work first meets it."""
        state = learner.state
        derivation = Derivation(self._book, state, excused_days(learner.excuses.values()), reason)
        for completion in sorted(
            learner.completions.values(), key=lambda each: (each.completed_at, each.event_id)
        ):
            derivation.add(completion)
        derived = derivation.finish()
        for loss in derived.losses:
            release(state.unlocked, loss.achievement, loss.occurrence)
        state.lost = derived.state.lost
        earned = [
            unlock
            for unlock in derived.unlocks
            if unlock_name(unlock.achievement.id, unlock.occurrence) not in state.unlocked
        ]
        for unlock in earned:
            hold(state.unlocked, unlock.achievement.id, unlock.occurrence)
        learner.story += [*derived.losses, *earned]
        state.targets_of = 0  # what was due is not always unlocked: nobody did the work yet
