"""Unlocks that are lost: those of achievements with `revocation: withdraw` whose rule fails."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Literal, NamedTuple

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.occurrences import Entry, held_weeks, release, unlock_name
from progress_worker.domain.rules import Condition, of_week
from progress_worker.domain.state import LearnerState

#: Why an unlock was lost: a completion or an excuse was corrected or taken back, or the rule book
#: has changed.
LossReason = Literal["revised", "revoked", "rules"]


class Loss(NamedTuple):
    """An unlock that a learner no longer has. `generation` is that of the unlock."""

    user_id: str
    achievement: Achievement
    occurrence: int
    generation: int
    reason: LossReason
    rule_version: int


class Withdrawable:
    """The achievements whose unlocks can be lost. An unlock exists as long as its rule holds."""

    def __init__(
        self,
        entries: Iterable[Entry],
        weekly: Iterable[tuple[int, Achievement, Condition]],
    ) -> None:
        self._entries = [e for e in entries if e.achievement.revocation == "withdraw"]
        self._weekly = [
            (achievement, condition)
            for _, achievement, condition in weekly
            if achievement.revocation == "withdraw"
        ]
        #: The ids.
        self.ids = frozenset(
            [entry.achievement.id for entry in self._entries]
            + [achievement.id for achievement, _ in self._weekly]
        )

    def without(self, unlocked: Set[str]) -> set[str]:
        """The unlocks that are kept whatever the rules say."""
        if not self.ids:
            return set(unlocked)
        return {name for name in unlocked if name.partition("#")[0] not in self.ids}

    def take(self, state: LearnerState, reason: LossReason, rule_version: int) -> list[Loss]:
        """Take from the state what no longer holds; dependents come before what they require.

        The state has every bucket.
        """
        losses: list[Loss] = []
        while found := [*self._failing(state)]:
            losses += [
                _lose(state, achievement, occurrence, reason, rule_version)
                for achievement, occurrence in found
            ]
        if losses:
            state.targets_of = 0  # what was lost can be due again
        losses.reverse()
        return losses

    def fails(self, state: LearnerState) -> bool:
        """Whether any unlock of the state is lost. The state has every bucket."""
        return any(True for _ in self._failing(state))

    def _failing(self, state: LearnerState) -> Iterable[tuple[Achievement, int]]:
        for entry in self._entries:
            if entry.name in state.unlocked and not entry.condition.holds(state):
                yield entry.achievement, entry.occurrence
        for achievement, condition in self._weekly:
            for week in sorted(held_weeks(state.unlocked, achievement.id)):
                if not of_week(condition, week).holds(state):
                    yield achievement, week


def generation_of(state: LearnerState, name: str) -> int:
    """Which unlock of this name the learner has, or would get now: 1 if none was ever lost."""
    return state.lost.get(name, 0) + 1


def _lose(
    state: LearnerState,
    achievement: Achievement,
    occurrence: int,
    reason: LossReason,
    rule_version: int,
) -> Loss:
    name = unlock_name(achievement.id, occurrence)
    generation = generation_of(state, name)
    state.lost[name] = generation
    release(state.unlocked, achievement, occurrence)
    return Loss(state.user_id, achievement, occurrence, generation, reason, rule_version)
