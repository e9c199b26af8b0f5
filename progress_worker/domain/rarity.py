"""How rare an achievement is: the share of learners who hold it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

#: With fewer learners a share says little, and might tell who they are.
LEAST_LEARNERS: Final = 20
#: What at most this share of the learners holds is rare.
RARE_PERCENT: Final = 10


class Share(NamedTuple):
    """How many of so many learners hold an achievement."""

    holders: int
    learners: int

    @property
    def percent(self) -> int:
        """The share in percent, rounded down."""
        return self.holders * 100 // self.learners

    @property
    def text(self) -> str:
        """The percent; `<1` where somebody holds it, but less than one percent do."""
        return "<1" if self.holders and not self.percent else str(self.percent)

    @property
    def rare(self) -> bool:
        """Whether it is rare, by the exact share."""
        return self.holders * 100 <= self.learners * RARE_PERCENT


@dataclass(frozen=True, slots=True, eq=False)
class HolderCounts:
    """How many learners have a completion, and how many of these hold each achievement, by id.

    Achievements that were not in the rule book at that time are missing. Each count is equal to
    itself alone, so that what is made of it can be remembered.
    """

    counted_at: dt.datetime
    learners: int
    holders: Mapping[str, int]

    def share(self, achievement_id: str) -> Share | None:
        """The share of an achievement; None where it is not known, and of too few learners."""
        holders = self.holders.get(achievement_id)
        if holders is None or self.learners < LEAST_LEARNERS:
            return None
        return Share(holders, self.learners)
