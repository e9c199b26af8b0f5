"""The settings of the rules and the logs, which the worker and the view both read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from progress_worker.settings.base import OurSettings, load
from progress_worker.settings.complaints import PREFIX


class LevelThreshold(BaseModel):
    """What a skill level asks for: completed exercises and a mean grade in percent."""

    exercises: int = Field(ge=0, description="Completed exercises that the level asks for.")
    mean_grade: float = Field(
        ge=0, le=100, description="Mean grade that the level asks for, in percent."
    )


class SharedSettings(OurSettings):
    """The settings that the worker and the view both read."""

    catalogue_file: Path | None = Field(
        default=None,
        description="The achievement catalogue (YAML). If not set, the built-in one.",
    )
    level_intermediate: LevelThreshold = Field(
        default=LevelThreshold(exercises=10, mean_grade=60),
        description="Where intermediate begins.",
    )
    level_advanced: LevelThreshold = Field(
        default=LevelThreshold(exercises=30, mean_grade=70), description="Where advanced begins."
    )
    level_expert: LevelThreshold = Field(
        default=LevelThreshold(exercises=50, mean_grade=80), description="Where expert begins."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Minimum log level."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="`json` for programs, `console` for people."
    )
    instance: str = Field(
        default_factory=socket.gethostname,
        description="The name of this process in logs, Kafka and Postgres.",
    )

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        for lower, higher in pairwise(("level_intermediate", "level_advanced", "level_expert")):
            for part in LevelThreshold.model_fields:
                least, asked = (
                    getattr(getattr(self, lower), part),
                    getattr(getattr(self, higher), part),
                )
                if asked < least:
                    yield (
                        f"{PREFIX}{higher.upper()}__{part.upper()} is {asked:g}, and "
                        f"{PREFIX}{lower.upper()}__{part.upper()} is {least:g}: "
                        "a higher level cannot ask for less."
                    )


def load_shared_settings(**overrides: object) -> SharedSettings:
    """Read the settings of the rules and the logs; raises ConfigurationError."""
    return load(SharedSettings, overrides)
