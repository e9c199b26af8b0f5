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


_RULES = ("CATALOGUE_FILE", "LEVEL_INTERMEDIATE", "LEVEL_ADVANCED", "LEVEL_EXPERT")


def rule_environment() -> dict[str, str]:
    """The variables that are set and change the rules. The catalogue's path is made absolute."""
    catalogue = PREFIX + _RULES[0]
    found = {
        name.upper(): value
        for name, value in os.environ.items()
        if name.upper().partition("__")[0] in {PREFIX + rule for rule in _RULES}
    }
    if catalogue in found:
        found[catalogue] = str(Path(found[catalogue]).absolute())
    return found


def replace_environment(variables: Mapping[str, str]) -> None:
    """Make these the only settings of this process and of those that it starts."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(variables)
