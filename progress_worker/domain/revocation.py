"""Unlocks that are lost: those of achievements with `revocation: withdraw` whose rule fails."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Literal, NamedTuple

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.occurrences import (
    Entry,
    Weekly,
    achievement_of,
    occurrence_of,
    release,
    unlock_holding,
    unlock_name,
)
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

    def __init__(self, entries: Iterable[Entry], weekly: Weekly) -> None:
        """All entries of a rule book, and those of its achievements that repeat with each week."""
        self._entries = [e for e in entries if e.achievement.revocation == "withdraw"]
        self._weekly = weekly
        found = [entry.achievement for entry in self._entries]
        found += [each for each in weekly.achievements if each.revocation == "withdraw"]
        self._by_id = {each.id: each for each in found}
        #: The ids.
        self.ids = frozenset(self._by_id)
        self._depth: dict[str, int] = {}
        for each in found:
            self._find_depth(each)

    def _find_depth(self, achievement: Achievement) -> int:
        """How long the longest chain of requirements below it is."""
        depth = self._depth.get(achievement.id)
        if depth is None:
            required = [self._by_id[name] for name in achievement.requires if name in self._by_id]
            depth = max([1 + self._find_depth(each) for each in required], default=0)
            self._depth[achievement.id] = depth
        return depth

    def without(self, unlocked: Set[str]) -> set[str]:
        """The unlocks that are kept whatever the rules say."""
        if not self.ids:
            return set(unlocked)
        return {name for name in unlocked if achievement_of(name) not in self.ids}

    def take(self, state: LearnerState, reason: LossReason, rule_version: int) -> list[Loss]:
        """Take from the state what no longer holds; dependents come before what they require.

        The state has every bucket.
        """
        losses = [
            _lose(
                state, self._by_id[achievement_of(name)], occurrence_of(name), reason, rule_version
            )
            for name in sorted(self._failing(state), key=self._dependents_first)
        ]
        if losses:
            state.targets_of = 0  # what was lost can be due again
        return losses

    def fails(self, state: LearnerState) -> bool:
        """Whether any unlock of the state is lost. The state has every bucket."""
        return bool(self.ids) and bool(self._failing(state))

    def _failing(self, state: LearnerState) -> list[str]:
        """The unlocks of the state that do not hold, and those that require one of these."""
        held = state.unlocked
        state.unlocked = self.without(held)
        weeks = [e for e in self._weekly.holding(state) if e.achievement.id in self.ids]
        unlock_holding(state, [*self._entries, *weeks])
        standing, state.unlocked = state.unlocked, held
        return [
            name
            for name in held
            if name not in standing
            and achievement_of(name) in self.ids
            # Of weeks, the id alone is no occurrence.
            and (name != achievement_of(name) or self._by_id[name].repeat != "each_week")
        ]

    def _dependents_first(self, name: str) -> tuple[int, str, int]:
        return -self._depth[achievement_of(name)], achievement_of(name), -occurrence_of(name)


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
