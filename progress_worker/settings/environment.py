"""The `PROGRESS_*` variables that are set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from progress_worker.settings.complaints import PREFIX


def environment_names() -> set[str]:
    """The names, in capitals, of all `PROGRESS_*` variables that are set and not empty."""
    return {
        name.upper()
        for name, value in os.environ.items()
        if name.upper().startswith(PREFIX) and value
    }


_RULE_BOOK = f"{PREFIX}CATALOGUE_FILE"


def rule_environment() -> dict[str, str]:
    """The variable that names a rule book, if it is set; the path is absolute."""
    path = os.environ.get(_RULE_BOOK)
    return {} if path is None else {_RULE_BOOK: str(Path(path).absolute())}


def replace_environment(variables: Mapping[str, str]) -> None:
    """Make these the only settings of this process and of those that it starts."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(variables)
