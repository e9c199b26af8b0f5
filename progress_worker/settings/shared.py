"""The settings of the rules and the logs, which the worker and the view both read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from progress_worker.settings.base import OurSettings, load
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.environment import MOVED, environment_names


class SharedSettings(OurSettings):
    """The settings that the worker and the view both read."""

    catalogue_file: Path | None = Field(
        default=None,
        description="The rule book (YAML): achievements, level thresholds and all else that "
        "decides. The built-in one by default.",
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
        for name in sorted(environment_names()):
            if name.startswith(MOVED):
                level = name.removeprefix(f"{PREFIX}LEVEL_").partition("__")[0].lower()
                yield (
                    f"{name} is no longer a setting: write `levels: {{{level}: {{exercises: …, "
                    f"mean_grade: …}}}}` in the rule book ({PREFIX}CATALOGUE_FILE)."
                )


def load_shared_settings(**overrides: object) -> SharedSettings:
    """Read the settings of the rules and the logs; raises ConfigurationError."""
    return load(SharedSettings, overrides)
