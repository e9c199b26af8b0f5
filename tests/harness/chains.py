"""What becomes of the occurrences of achievements: each is unlocked, perhaps lost, unlocked again.

A chain holds all of it. What the tables and the topics must hold follows from the chains.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from progress_worker.domain.completion import Completion
from tests.naive_book import Occurrence

Row = tuple[Any, ...]


class Unlocked(NamedTuple):
    """A row of the unlocks, in the order of the columns that are compared."""

    user_id: str
    achievement_id: str
    occurrence: int
    generation: int
    unlocked_at: dt.datetime
    local_day: dt.date
    triggering_event_id: UUID
    rule_version: int
    rules_digest: str
    value: int
    target: int
    backdated: bool


class Lost(NamedTuple):
    """The unlock of this generation was lost: something was `revised` or `revoked`."""

    generation: int
    reason: str
    rule_version: int


class Chain(NamedTuple):
    """One occurrence: its unlocks, whose generations count from 1, and those that were lost."""

    unlocked: tuple[Unlocked, ...] = ()
    lost: tuple[Lost, ...] = ()

    @property
    def stands(self) -> bool:
        """Whether the last unlock was not lost."""
        return len(self.unlocked) > len(self.lost)

    def lose(self, *, revoked: bool, rule_version: int) -> Chain:
        """The chain, of which the last unlock is lost as well."""
        reason = "revoked" if revoked else "revised"
        loss = Lost(self.unlocked[-1].generation, reason, rule_version)
        return Chain(self.unlocked, (*self.lost, loss))


class Book(NamedTuple):
    """By which rule book an unlock comes."""

    version: int
    digest: str

    def unlock(
        self,
        chain: Chain,
        occurrence: Occurrence,
        trigger: Completion,
        measured: tuple[int, int],
        *,
        backdated: bool = False,
    ) -> Chain:
        """The chain with the next generation, by this completion."""
        unlocked = Unlocked(
            trigger.user_id,
            *occurrence,
            len(chain.unlocked) + 1,
            trigger.completed_at,
            trigger.local_day,
            trigger.event_id,
            *self,
            *measured,
            backdated,
        )
        return Chain((*chain.unlocked, unlocked), chain.lost)


#: By learner, achievement and occurrence.
Chains = Mapping[tuple[str, str, int], Chain]


def stored_unlocks(chains: Iterable[Chain]) -> list[Row]:
    """The rows of the unlocks: those that were not lost."""
    return [tuple(chain.unlocked[-1]) for chain in chains if chain.stands]


def stored_losses(chains: Chains) -> list[Row]:
    """What the learners' rows remember: the last lost generation of each occurrence."""
    return [
        (user_id, name if number == 1 else f"{name}#{number}", chain.lost[-1].generation)
        for (user_id, name, number), chain in chains.items()
        if chain.lost
    ]
