"""How often a fault is tried: with some seeds in every run of the tests, with all on request."""

from __future__ import annotations

from typing import Any

import pytest


def rounds(*, quick: int, all_in_all: int) -> list[Any]:
    """Seeds; those beyond the quick ones are marked `faults`."""
    return [
        *range(quick),
        *(pytest.param(seed, marks=pytest.mark.faults) for seed in range(quick, all_in_all)),
    ]
