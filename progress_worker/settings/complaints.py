"""Says what is wrong with a setting, in sentences that name its variable and the cure."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import gaierror
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from progress_worker.errors import ConfigurationError, LearnerChangedError, TransientError

PREFIX: Final = "PROGRESS_"

#: For a setting with parts. Each part can also be set by its own variable.
JSON_WANTED: Final = "it must be a JSON object; it is easier to set each part by its own variable"
#: What each of pydantic's error types asks for; `{…}` comes from the error's context.
_WANTED: Final = {
    "bool_parsing": "it must be true or false",
    "finite_number": "it must be a finite number",
    "float_parsing": "it must be a number",
    "greater_than": "it must be more than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "int_from_float": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_parsing_size": "it must be a smaller number",
    "less_than_equal": "it must be at most {le}",
    "literal_error": "it must be {expected}",
    "model_type": JSON_WANTED,
    "string_too_short": "it must have at least {min_length} characters",
    "too_short": "it must have at least {min_length} characters",
    "string_unicode": "it must be UTF-8 text",
}


def complaints(
    kind: type[BaseModel], error: ValidationError, given: Collection[str]
) -> Iterator[str]:
    """One sentence for all settings that are not set, and one for each setting that is wrong.

    `given` are the settings that have a value. No value is quoted, because somebody may have put a
    secret into the wrong variable.
    """
    problems = error.errors(include_url=False)
    if missing := [_variable(p["loc"]) for p in problems if p["type"] == "missing"]:
        yield f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} not set."
    for problem in problems:
        if problem["type"] == "missing":
            continue
        if problem["loc"]:
            yield f"{_variable(problem['loc'])} is wrong: {_wanted(problem)}."
        else:
            yield str(problem["msg"]).removeprefix("Value error, ")
    if all(problem["loc"] for problem in problems):  # otherwise `problems` has these sentences
        yield from lacking(kind, given)


def lacking(kind: type[BaseModel], given: Collection[str]) -> Iterator[str]:
    """A sentence for each group of settings of which none is set."""
    for names in getattr(kind, "alternatives", ()):
        if not set(names) & set(given):
            yield f"One of {listed([PREFIX + name.upper() for name in names])} must be set."


def unreadable(
    variable: str, path: Path, error: OSError | UnicodeDecodeError
) -> ConfigurationError:
    """The error for a setting that names a file which cannot be read."""
    match error:
        case FileNotFoundError() if str(path).startswith("~"):
            reason = (
                f"there is no file {path}: write out the home directory, because ~ is not expanded"
            )
        case FileNotFoundError():
            reason = f"there is no file {path.absolute()}"
        case IsADirectoryError():
            reason = f"{path} is a directory, not a file"
        case PermissionError():
            reason = f"this process may not read {path}"
        case UnicodeDecodeError():
            reason = f"{path} is not UTF-8 text"
        case _:
            reason = f"{path} cannot be read: {error.strerror}"
    return ConfigurationError(f"{variable} is wrong: {reason}.")


def cannot_listen(
    host_name: str, host: str, port_name: str, port: int, error: OSError
) -> ConfigurationError:
    """The error for a server that cannot listen. The names are those of its two settings."""
    match error:
        case gaierror():
            reason = f"{PREFIX}{host_name} is wrong: the name {host} is unknown"
        case OSError(errno=errno.EADDRINUSE):
            reason = (
                f"{PREFIX}{port_name} is wrong: another process listens on port {port}; stop it or "
                "choose another port"
            )
        case OSError(errno=errno.EADDRNOTAVAIL):
            reason = f"{PREFIX}{host_name} is wrong: this machine does not have the address {host}"
        case OSError(errno=errno.EACCES):
            reason = (
                f"{PREFIX}{port_name} is wrong: this user may not listen on port {port}; choose "
                "one above 1023"
            )
        case _:
            reason = (
                f"{PREFIX}{port_name} is wrong: nothing can listen on {host}:{port}: "
                f"{error.strerror}"
            )
    return ConfigurationError(f"{reason}.")


@contextmanager
def naming(variable: str) -> Iterator[None]:
    """Add to an error of the connection the variable that holds the address."""
    try:
        yield
    except LearnerChangedError:
        raise  # another worker's doing, whatever the address
    except TransientError as error:
        raise TransientError(f"{str(error).removesuffix('.')} ({variable})") from error


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _variable(location: Sequence[int | str]) -> str:
    return PREFIX + "__".join(str(part) for part in location).upper()


def _wanted(problem: Any) -> str:
    wanted = _WANTED.get(problem["type"])
    if wanted is None:
        return str(problem["msg"]).rstrip(".")
    limits = problem.get("ctx", {})
    return wanted.format(**{name: _plain(limit) for name, limit in limits.items()})


def _plain(limit: object) -> object:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit
