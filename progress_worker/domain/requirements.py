"""Checks what achievements require of each other."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from progress_worker.domain.achievements import Achievement


def check_requirements(achievements: Sequence[Achievement]) -> None:
    """Raises ValueError if an achievement requires what nobody can know of, or itself."""
    by_id = {each.id: each for each in achievements}
    for each in achievements:
        for name in each.requires:
            if each.requires.count(name) > 1:
                raise ValueError(f"{each.id} requires {name} twice")
            if name not in by_id:
                raise ValueError(f"{each.id} requires {name}, which does not exist")
            if by_id[name].hidden is True:
                raise ValueError(f"{each.id} requires {name}, which is hidden")
            if by_id[name].status in {"paused", "withdrawn"}:
                raise ValueError(f"{each.id} requires {name}, which is {by_id[name].status}")
            if each.revocation == "withdraw" and by_id[name].revocation == "keep":
                raise ValueError(
                    f"{each.id} can be lost (`revocation: withdraw`) and requires {name}, which is "
                    "kept"
                )
    try:
        TopologicalSorter({each.id: each.requires for each in achievements}).prepare()
    except CycleError as error:
        circle = " requires ".join(reversed(error.args[1]))
        raise ValueError(f"achievements require each other in a circle: {circle}") from error
