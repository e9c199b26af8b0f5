"""The contestants: how each is started, how much work it gets, and how its result is read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PARTITIONS = 8
TOPIC = "exercise-completed"
GROUP = "progress-worker"
_IMPORT_SECONDS = 60.0

Command = Sequence[str]


@dataclass(frozen=True, slots=True)
class Site:
    """Where a contestant finds its Kafka and its database."""

    bootstrap: str
    database_url: str


@dataclass(frozen=True, slots=True)
class Contestant:
    """A contestant; `commands` are its processes, `share` is its part of the full work.

    `ours` is the worker of this project. Before it begins, `stored` completions of other learners
    are in its tables.
    """

    name: str
    title: str
    share: float
    commands: Callable[[Site], Sequence[Command]]
    ours: bool = False
    stored: int = 0


def _ours(processes: int) -> Callable[[Site], Sequence[Command]]:
    return lambda _site: [(sys.executable, "-m", "progress_worker", "worker")] * processes


def _ceiling(processes: int) -> Callable[[Site], Sequence[Command]]:
    def commands(site: Site) -> Sequence[Command]:
        shares = [range(first, PARTITIONS, processes) for first in range(processes)]
        module = "bench.contestants.ceiling"
        return [
            (*_python(module, site), TOPIC, ",".join(str(number) for number in share))
            for share in shares
        ]

    return commands


def _faust(module: str) -> Callable[[Site], Sequence[Command]]:
    return lambda site: [(*_python(module, site), TOPIC)]


def _python(module: str, site: Site) -> Command:
    return (sys.executable, "-m", module, site.bootstrap, site.database_url, GROUP)


def _quix(site: Site) -> Sequence[Command]:
    script = Path(__file__).with_name("quix.py")
    return [(_quix_python(), str(script), site.bootstrap, site.database_url, GROUP, TOPIC)]


def _quix_python() -> str:
    """BENCH_QUIX_PYTHON may name the Python of an environment of its own for Quix Streams."""
    return os.environ.get("BENCH_QUIX_PYTHON", sys.executable)


def why_without_quix() -> str | None:
    """Why Quix Streams does not compete here; None when it does."""
    python = _quix_python()
    if shutil.which(python) is None:
        return f"BENCH_QUIX_PYTHON names no program: {python}"
    found = subprocess.run(
        [python, "-c", "import quixstreams, psycopg2"],
        capture_output=True,
        timeout=_IMPORT_SECONDS,
        check=False,
    )
    if found.returncode:
        return "not installed: `pip install 'quixstreams[postgresql]'`, or see BENCH_QUIX_PYTHON"
    return None


WORKER = Contestant("ours", "progress-worker", 1.0, _ours(1), ours=True)
CEILING = Contestant("ceiling", "bare loop", 1.0, _ceiling(1))
TWO_WORKERS = Contestant("ours-2", "two of ours", 1.0, _ours(2), ours=True)
TWO_CEILINGS = Contestant("ceiling-2", "two bare loops", 1.0, _ceiling(2))
QUIX = Contestant("quix", "Quix Streams", 0.4, _quix)
TAKE = Contestant("take", "agent, take(500)", 0.2, _faust("bench.contestants.take"))
ORM = Contestant("orm", "agent, ORM", 0.02, _faust("bench.contestants.orm"))
STORED = Contestant(
    "ours-stored", "ours, 5 million stored", 1.0, _ours(1), ours=True, stored=5_000_000
)
EVERYONE = (WORKER, CEILING, TWO_WORKERS, TWO_CEILINGS, QUIX, TAKE, ORM)
#: These compete only if they are named.
ON_REQUEST = (STORED,)
