"""The sizing page's figures follow from its costs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sizing.md").read_text("utf-8")

LEARNERS = (10e3, 1e6, 100e6)
UNITS = {"ms": 1e-3, "B": 1.0, "kB": 1e3, "/s": 1.0}
PEAK, ACTIVE, VIEWS, HEADROOM, BUSY = 10, 0.1, 5, 1.5, 0.5
DAY = 86_400.0
NODE_BYTES = 2e12


def rows() -> dict[str, list[str]]:
    """The cells of every table of the page, by the first one."""
    lines = (re.findall(r"[^|]+", line) for line in PAGE.splitlines() if line.startswith("| "))
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}


def cost(name: str) -> float:
    figure, unit = rows()[name][0].split()
    return float(figure) * UNITS[unit]


def yearly(learners: float) -> float:
    return learners * 100


def peak(learners: float) -> float:
    return yearly(learners) / 365 / DAY * PEAK


def cores(learners: float) -> float:
    return peak(learners) * cost("worker's processor time per event")


def workers(learners: float) -> int:
    return max(2, math.ceil(cores(learners) / BUSY) + 1)


def added(learners: float) -> float:
    return yearly(learners) * cost("a completion in Postgres") * HEADROOM


def disk(learners: float) -> float:
    return added(learners) + learners * cost("a learner in Postgres") * HEADROOM


def nodes(learners: float) -> str:
    if disk(learners) <= NODE_BYTES:
        return "none"
    needed = math.ceil(disk(learners) / NODE_BYTES)
    return f"{needed}, {2 ** math.ceil(math.log2(8 * needed))}"


def requests(learners: float) -> float:
    return learners * ACTIVE * VIEWS * PEAK / DAY


def processes(learners: float) -> int:
    return max(2, math.ceil(requests(learners) / cost("requests of a view process") / BUSY))


def size(count: float) -> str:
    return f"{short(count / 1e12)} TB" if count >= 1e12 else f"{short(count / 1e9)} GB"


def short(figure: float) -> str:
    """Two digits that count, and hundredths at the finest."""
    if figure < 1:
        return f"{figure:.2f}"
    digits = 1 - math.floor(math.log10(figure))
    return f"{round(figure, digits):,.{max(0, digits)}f}"


ROWS: dict[str, Callable[[float], str]] = {
    "events a second at the peak": lambda n: short(peak(n)),
    "workers' cores busy at the peak": lambda n: short(cores(n)),
    "workers": lambda n: str(workers(n)),
    "partitions": lambda n: str(max(8, 4 * workers(n))),
    "Postgres's cores busy at the peak": lambda n: short(
        peak(n) * cost("Postgres's processor time per event")
    ),
    "disk after the first year": lambda n: size(disk(n)),
    "disk that each further year adds": lambda n: size(added(n)),
    "memory for the pages of a day's learners": lambda n: size(
        n * ACTIVE * cost("pages of an active learner")
    ),
    "write-ahead log a day": lambda n: size(yearly(n) / 365 * cost("write-ahead log per event")),
    "Kafka's disk, 30 days, three replicas": lambda n: size(
        yearly(n) / 365 * 30 * 3 * cost("a record in Kafka")
    ),
    "Citus: nodes of 2 TB, shards": nodes,
    "requests a second at the peak": lambda n: short(requests(n)),
    "view processes": lambda n: str(processes(n)),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_figure_follows_from_the_costs(name: str) -> None:
    assert rows()[name] == [ROWS[name](learners) for learners in LEARNERS]
