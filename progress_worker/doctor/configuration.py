"""Says which settings a command would use, and where each value comes from."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from progress_worker.errors import ConfigurationError
from progress_worker.http.security.keys import parse_keys
from progress_worker.kafka.clients import client_options
from progress_worker.settings.complaints import PREFIX, unreadable
from progress_worker.settings.environment import MOVED, environment_names
from progress_worker.settings.kafka import KafkaSettings
from progress_worker.settings.migration import MigrationSettings, load_migration_settings
from progress_worker.settings.rules import ConfiguredRules, load_rules
from progress_worker.settings.shared import SharedSettings
from progress_worker.settings.view import TokenSettings, ViewSettings, load_view_settings
from progress_worker.settings.worker import Settings, load_settings

MASK: Final = "***"
_SERVICE: Final = "_SERVICE_HOST"


class Command(StrEnum):
    """A command that has its own settings."""

    WORKER = "worker"
    API = "api"
    MIGRATE = "migrate"


#: Together these have every setting.
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
    """An environment variable and its setting, which may be a part of another setting."""

    name: str
    path: tuple[str, ...]
    field: FieldInfo


class UsedSetting(NamedTuple):
    """A variable, the value that would be used, and where it comes from."""

    variable: str
    value: str
    source: Literal["environment", "default"]


class Checked(NamedTuple):
    """The settings that a command would use, and its rule book if it reads one."""

    settings: list[UsedSetting]
    rules: ConfiguredRules | None


def variables(kind: type[BaseModel], *outer: str) -> Iterator[Variable]:
    """Every variable that a settings class reads, in the order of its fields."""
    for name, field in kind.model_fields.items():
        path = (*outer, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from variables(field.annotation, *path)
        else:
            yield Variable(PREFIX + "__".join(path).upper(), path, field)


def check_configuration(command: Command) -> Checked:
    """The settings that the command would use, with secrets masked.

    Reads the files that the settings name. Raises ConfigurationError with a sentence for each
    setting that is missing or wrong, or that nothing reads.
    """
    given = environment_names()
    found = list(unread_variables())
    try:
        settings = _LOAD[command]()
        check_files(settings)
    except ConfigurationError as error:
        found.append(str(error))
    if found:
        raise ConfigurationError("\n".join(found))
    used = [
        UsedSetting(variable.name, _shown(settings, variable), _source(variable, given))
        for variable in variables(type(settings))
    ]
    return Checked(used, load_rules(settings) if isinstance(settings, SharedSettings) else None)


def unread_variables() -> Iterator[str]:
    """A sentence for each `PROGRESS_*` variable that nothing reads, with the nearest known name."""
    known = {v.name for kind in KINDS.values() for v in variables(kind)}
    outer = {PREFIX + name.upper() for kind in KINDS.values() for name in kind.model_fields}
    given = environment_names()
    for name in sorted(given - known - outer - _of_kubernetes(given)):
        if name.startswith(MOVED):  # the settings themselves say where it belongs
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        yield f"{name} is set and nothing reads it{hint}"


def _of_kubernetes(given: set[str]) -> set[str]:
    """The variables that Kubernetes sets for each Service. One may be called progress-worker."""
    services = {name.removesuffix(_SERVICE) for name in given if name.endswith(_SERVICE)}
    made = tuple(f"{service}_{part}" for service in services for part in ("SERVICE_", "PORT"))
    return {name for name in given if name.startswith(made)}


def check_files(settings: BaseSettings) -> None:
    """Raises ConfigurationError if a file that the settings name is missing or wrong."""
    if isinstance(settings, SharedSettings):
        load_rules(settings)
    if isinstance(settings, KafkaSettings):
        client_options(settings)
    if isinstance(settings, TokenSettings) and settings.jwt_jwks_file is not None:
        _check_keys(settings.jwt_jwks_file)


def _check_keys(path: Path) -> None:
    variable = f"{PREFIX}JWT_JWKS_FILE"
    try:
        keys = parse_keys(path.read_bytes())
    except OSError as error:
        raise unreadable(variable, path, error) from None
    except ValueError as error:
        raise ConfigurationError(f"{variable} is wrong: {path}: {error}.") from None
    if not keys:
        raise ConfigurationError(f"{variable} is wrong: {path}: it holds no usable key.")


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


def _source(variable: Variable, given: set[str]) -> Literal["environment", "default"]:
    given_here = variable.name in given or PREFIX + variable.path[0].upper() in given
    return "environment" if given_here else "default"
