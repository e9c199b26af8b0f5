"""The base class of all settings, and how settings are read from the environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from progress_worker.errors import ConfigurationError
from progress_worker.settings.complaints import JSON_WANTED, PREFIX, complaints, lacking
from progress_worker.settings.environment import environment_names

#: A time limit or a pause: a day at most.
Seconds = Annotated[float, Field(le=86_400)]


class OurSettings(BaseSettings):
    """Settings from `PROGRESS_*` variables. An empty variable counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        nested_model_default_partial_update=True,
        allow_inf_nan=False,
        extra="ignore",
        frozen=True,
    )
    #: At least one setting of each group must be set.
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if found := list(self._contradictions()):
            raise ValueError("\n".join(found))
        return self

    def _contradictions(self) -> Iterator[str]:
        """A sentence for each contradiction between settings."""
        yield from lacking(type(self), {name for name, value in self if value is not None})


_Loaded = TypeVar("_Loaded", bound=OurSettings)


def load(kind: type[_Loaded], overrides: dict[str, object]) -> _Loaded:
    """Read settings. Raises ConfigurationError with a sentence for each thing that is wrong."""
    try:
        return kind(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        names = {name.removeprefix(PREFIX).lower() for name in environment_names()}
        sentences = "\n".join(complaints(kind, error, names | set(overrides)))
        raise ConfigurationError(sentences) from None
    except SettingsError as error:
        field = str(error).partition('"')[2].partition('"')[0]
        raise ConfigurationError(f"{PREFIX}{field.upper()} is wrong: {JSON_WANTED}.") from None
