"""What the models of a rule book's YAML share."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: A date in YAML, which knows dates, or as text.
Date = Annotated[dt.date, Field(strict=False)]


class Written(BaseModel):
    """A part of the rule book's YAML; an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def two_decimals(name: str, grade: float) -> None:
    """Raises ValueError for a grade that no learner can have exactly."""
    if round(grade, 2) != grade:
        raise ValueError(f"grades have two decimals, so `{name}` can have no more")
