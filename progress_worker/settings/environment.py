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


#: Level thresholds were settings before they were part of the rule book.
MOVED = tuple(f"{PREFIX}LEVEL_{level}" for level in ("INTERMEDIATE", "ADVANCED", "EXPERT"))


def rule_environment() -> dict[str, str]:
    """The variables about rules that are set, those included that a start refuses.

    The path of the rule book is absolute.
    """
    found = {
        name.upper(): value
        for name, value in os.environ.items()
        if name.upper().startswith((_RULE_BOOK, *MOVED))
    }
    if _RULE_BOOK in found:
        found[_RULE_BOOK] = str(Path(found[_RULE_BOOK]).absolute())
    return found


def replace_environment(variables: Mapping[str, str]) -> None:
    """Make these the only settings of this process and of the processes that it starts."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(variables)
