"""Preferences: how a learner wants to be shown, how much of the game, and towards which goal."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import Final, Literal, NamedTuple, TypeAlias

Boards: TypeAlias = Literal["anonymous", "hidden", "named"]
Gamification: TypeAlias = Literal["on", "quiet", "off"]
GoalMeasure: TypeAlias = Literal["exercises", "minutes", "active_days"]

LONGEST_NAME: Final = 40

#: Control and format characters (bidirectional marks and joiners are some), halves of surrogate
#: pairs, and the separators of lines and paragraphs.
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Goal(NamedTuple):
    """What a learner wants to reach: by the end of the local day `by`, or week by week."""

    measure: GoalMeasure
    target: int
    by: dt.date | None = None


class Preference(NamedTuple):
    """Everything that a learner prefers, by one revision; what is not said is the default."""

    revision: int
    issued_at: dt.datetime
    boards: Boards = "anonymous"
    display_name: str | None = None
    gamification: Gamification = "on"
    goal: Goal | None = None

    @property
    def shown_as(self) -> Boards:
        """How boards show the learner: anonymous where `named` comes without a name."""
        return "anonymous" if self.boards == "named" and not self.display_name else self.boards


def normal_name(name: str) -> str:
    """The display name in Unicode's form NFC, without white space around it.

    Raises ValueError, with a text for the producer, for a name of no or too many characters, and
    for one with characters that could hide or turn around what stands beside it.
    """
    normal = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(normal) <= LONGEST_NAME:
        raise ValueError(f"not 1 to {LONGEST_NAME} characters in form NFC")
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in normal):
        raise ValueError("has control, format or bidirectional characters")
    return normal
