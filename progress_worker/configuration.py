"""What a command would be configured with, and where each value comes from."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from progress_worker.deployment import level_rules, load_catalogue
from progress_worker.errors import ConfigurationError
from progress_worker.http.keys import parse_keys
from progress_worker.kafka import client_options
from progress_worker.settings import (
    PREFIX,
    KafkaSettings,
    MigrationSettings,
    Settings,
    SharedSettings,
    TokenSettings,
    ViewSettings,
    environment_names,
    load_migration_settings,
    load_settings,
    load_view_settings,
)

MASK: Final = "***"


class Command(StrEnum):
    """A command with settings of its own."""

    WORKER = "worker"
    API = "api"
    MIGRATE = "migrate"


#: Together they have every setting there is.
KINDS: Final[Mapping[Command, type[BaseSettings]]] = {
    Command.WORKER: Settings,
    Command.API: ViewSettings,
    Command.MIGRATE: MigrationSettings,
}
_LOAD: Final[Mapping[Command, Callable[[], BaseSettings]]] = {
    Command.WORKER: load_settings,
    Command.API: load_view_settings,
    Command.MIGRATE: load_migration_settings,
}


class Variable(NamedTuple):
    """An environment variable and the setting that it fills, which may lie within another."""

    name: str
    path: tuple[str, ...]
    field: FieldInfo


class UsedSetting(NamedTuple):
    """A variable, the value that would be used, and whether the environment gave it."""

    variable: str
    value: str
    from_environment: bool


def variables(kind: type[BaseModel], *outer: str) -> Iterator[Variable]:
    """Every variable that a settings class reads, in the order of its fields."""
    for name, field in kind.model_fields.items():
        path = (*outer, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from variables(field.annotation, *path)
        else:
            yield Variable(PREFIX + "__".join(path).upper(), path, field)


def check_configuration(command: Command) -> list[UsedSetting]:
    """What the command would use, secrets masked.

    Reads the files that the settings name. Raises ConfigurationError with one sentence on the
    first thing that is missing or wrong, a variable that nothing reads included.
    """
    given = environment_names()
    _check_names(given)
    settings = _LOAD[command]()
    _check_values(settings)
    return [
        UsedSetting(variable.name, _shown(settings, variable), _is_given(variable, given))
        for variable in variables(type(settings))
    ]


def _check_names(given: set[str]) -> None:
    known = {v.name for kind in KINDS.values() for v in variables(kind)}
    outer = {PREFIX + name.upper() for kind in KINDS.values() for name in kind.model_fields}
    for name in sorted(given - known - outer):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; is it {near[0]} that is meant?" if near else "."
        raise ConfigurationError(f"{name} is set and nothing reads it{hint}")


def _check_values(settings: BaseSettings) -> None:
    if isinstance(settings, SharedSettings):
        load_catalogue(settings)
        level_rules(settings)
    if isinstance(settings, KafkaSettings):
        client_options(settings)
    if isinstance(settings, TokenSettings) and settings.jwt_jwks_file is not None:
        _check_keys(settings.jwt_jwks_file)


def _check_keys(path: Path) -> None:
    try:
        keys = parse_keys(path.read_bytes())
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{PREFIX}JWT_JWKS_FILE is wrong: {told}.") from None
    if not keys:
        raise ConfigurationError(f"{PREFIX}JWT_JWKS_FILE is wrong: it holds no usable key.")


def _shown(settings: BaseSettings, variable: Variable) -> str:
    value = _value(settings, variable)
    if isinstance(value, SecretStr):
        if not variable.path[-1].endswith("database_url"):
            return MASK
        parts = urlsplit(value.get_secret_value())
        user = f"{parts.username}:{MASK}@" if parts.username else ""
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{user}{host}{parts.path}" + (f"?{MASK}" if parts.query else "")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _value(settings: BaseModel, variable: Variable) -> Any:
    found: Any = settings
    for name in variable.path:
        found = getattr(found, name)
    return found


def _is_given(variable: Variable, given: set[str]) -> bool:
    return variable.name in given or PREFIX + variable.path[0].upper() in given
