"""The evidence of an unlock: the tree of what was measured, as it is stored and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from progress_worker.domain.rules import Progress


def parts_of(progress: Progress) -> list[dict[str, Any]]:
    """The nodes below the root of the tree, as plain values."""
    return [
        {
            "measure": part.measure,
            "value": part.current,
            "target": part.target,
            "parts": parts_of(part),
        }
        for part in progress.parts
    ]


def read_parts(parts: Sequence[Mapping[str, Any]] | None) -> tuple[Progress, ...]:
    """The nodes again."""
    return tuple(
        Progress(part["measure"], part["value"], part["target"], read_parts(part["parts"]))
        for part in parts or ()
    )
