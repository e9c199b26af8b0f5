"""The values that a difficulty, a level, a tier and a topic can have."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import Field

#: Postgres cannot store a NUL character.
NO_NUL: Final = r"^[^\x00]*$"

Difficulty = Literal["easy", "medium", "hard"]
Level = Literal["beginner", "intermediate", "advanced", "expert"]
Tier = Literal["bronze", "silver", "gold", "platinum"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

#: From the easiest to the hardest.
DIFFICULTIES: Final[tuple[Difficulty, ...]] = get_args(Difficulty)
#: From the lowest to the highest.
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)
#: In the order of `date.weekday()`.
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)

Topic = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=NO_NUL,
        description="The skill's topic area.",
        examples=["algorithms"],
    ),
]
