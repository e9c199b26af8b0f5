"""Says how rare an achievement is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.rarity import HolderCounts, Share
from progress_worker.http.api.responses import Rarity

#: Everybody is shown the last count.
_MOST_COUNTS: Final = 4


def present_rarity(achievement: Achievement, counts: HolderCounts | None) -> Rarity | None:
    """The achievement's rarity; None for a hidden one, and where it is not known."""
    if counts is None or achievement.hidden is True:
        return None
    return _rarities(counts).get(achievement.id)


@lru_cache(_MOST_COUNTS)
def _rarities(counts: HolderCounts) -> Mapping[str, Rarity]:
    """By the achievement's id; made once for each count."""
    shares = {name: counts.share(name) for name in counts.holders}
    return {name: _rarity(share) for name, share in shares.items() if share is not None}


def _rarity(share: Share) -> Rarity:
    return Rarity(
        holders=share.holders,
        learners=share.learners,
        percent=share.percent,
        text=share.text,
        rare=share.rare,
    )
