"""Measures live updates: many connected learners, and unlocks that are committed meanwhile.

    python bench/live.py [--streams 5000] [--rate 100] [--seconds 60]

One `progress-worker api` process serves the streams. A second process holds the clients, on plain
sockets. This one commits one unlock after the other, each as a save of the worker leaves it, and
notes when the commit returned. All share the machine with Postgres.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import random
import statistics
import time
from dataclasses import dataclass
from itertools import count, cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import psycopg
from rich.console import Console

from bench.live_clients import Arrival, listen
from bench.machine import describe_machine, describe_versions
from bench.report import markdown
from bench.view_process import bearer, running_view, token_settings
from bench.watch import TrialError
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.settings.rules import load_rules
from progress_worker.storage.schema.migrate import migrate

_RESULTS = Path(__file__).with_name("results") / "live.md"
_STORED = 100_000
_CONNECT_SECONDS = 180.0
_SETTLE_SECONDS = 5.0
_LEARNERS = """
INSERT INTO learner (user_id, version, first_version, active_days, counters)
    SELECT 'learner-' || n, 1, 1, '{[2026-03-01,2026-03-08)}', '{}'
    FROM generate_series(1, %(n)s) n;
INSERT INTO learner_total
    SELECT 'learner-' || n, topic, 'easy', 9, 9, 72000, 900, 3, 9
    FROM generate_series(1, %(n)s) n, unnest('{algorithms,databases,graphs,sets}'::text[]) topic;
INSERT INTO skill_level
    SELECT 'learner-' || n, topic, 'intermediate', 'beginner', now(), 1
    FROM generate_series(1, %(n)s) n, unnest('{algorithms,databases}'::text[]) topic
"""
_UNLOCK = """
WITH changed AS (
    UPDATE learner SET version = version + 1 WHERE user_id = %(user_id)s RETURNING version
)
INSERT INTO achievement_unlock
SELECT %(user_id)s, %(achievement)s, now(), current_date, gen_random_uuid(), 1, 'm', 1, 1, false,
       version
FROM changed
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured: shares of a core, bytes, and seconds from commit to arrival."""

    view: float
    postgres: float
    clients: float
    idle_bytes: int
    bytes: int
    delays: list[float]
    load: float


def main() -> None:
    """Measure, print and save."""
    options, console = _options(), Console()
    with Postgres() as server:
        server.create_roles()
        database = server.create_database("bench")
        migrate(database.owner_url)
        console.print(f"Storing {_STORED:,} learners")
        with psycopg.ClientCursor(psycopg.connect(database.owner_url, autocommit=True)) as cursor:
            cursor.execute(_LEARNERS.encode(), {"n": _STORED})
            cursor.execute("VACUUM ANALYZE")
            cursor.connection.close()
        result = _measure(database, options, console)
    text = _page(result, options)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    _RESULTS.write_text(text, encoding="utf-8")


def _measure(database: Database, options: argparse.Namespace, console: Console) -> Result:
    context = get_context("spawn")
    numbers = random.Random(1).sample(range(1, _STORED + 1), options.streams)
    users = [f"learner-{number}" for number in numbers]
    with running_view(database) as running:
        url, view = running.url, running.process
        idle_bytes = view.memory_info().rss
        ours, theirs = context.Pipe()
        tokens = {user_id: bearer(user_id)["Authorization"] for user_id in users}
        clients = context.Process(target=listen, args=(url, tokens, theirs), daemon=True)
        clients.start()
        console.print(f"Opening {options.streams:,} streams")
        if not ours.poll(_CONNECT_SECONDS) or ours.recv() != options.streams:
            raise TrialError("not every stream was opened")
        time.sleep(_SETTLE_SECONDS)
        console.print(f"Committing {options.rate} unlocks a second for {options.seconds} s")
        watched = view, psutil.Process(clients.pid)
        before = [_processor_seconds(each) for each in watched], _postgres_seconds(view)
        began = time.monotonic()
        committed = asyncio.run(_commit(database, users, options.rate, options.seconds))
        seconds = time.monotonic() - began
        after = [_processor_seconds(each) for each in watched], _postgres_seconds(view)
        memory, load = view.memory_info().rss, os.getloadavg()[0]
        time.sleep(_SETTLE_SECONDS)
        arrivals = _arrivals(ours)
        clients.join(_SETTLE_SECONDS)
    delays = _delays(committed, arrivals)
    shares = [(a - b) / seconds for a, b in zip(after[0], before[0], strict=True)]
    return Result(
        view=shares[0],
        postgres=(after[1] - before[1]) / seconds,
        clients=shares[1],
        idle_bytes=idle_bytes,
        bytes=memory,
        delays=delays,
        load=load,
    )


async def _commit(
    database: Database, users: list[str], rate: int, seconds: float
) -> dict[tuple[str, str], float]:
    """Commit an unlock at each beat; when each commit returned, by learner and achievement."""
    book = load_rules(token_settings()).book
    names = cycle(achievement.id for achievement in book.achievements)
    committed: dict[tuple[str, str], float] = {}
    connection = await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True)
    async with connection:
        began, name = time.monotonic(), next(names)
        for number in count():
            wait = began + number / rate - time.monotonic()
            if number >= rate * seconds:
                return committed
            if wait > 0:
                await asyncio.sleep(wait)
            if number and number % len(users) == 0:
                name = next(names)
            key = users[number % len(users)], name
            await connection.execute(_UNLOCK, {"user_id": key[0], "achievement": name})
            committed[key] = time.monotonic()
    raise AssertionError


def _arrivals(ours: Connection) -> list[Arrival]:
    ours.send("stop")
    if not ours.poll(_CONNECT_SECONDS):
        raise TrialError("the clients do not say what they have heard")
    found: list[Arrival] = ours.recv()
    return found


def _delays(committed: dict[tuple[str, str], float], arrivals: list[Arrival]) -> list[float]:
    """Seconds from commit to arrival. Raises TrialError unless each unlock arrived once."""
    heard = {(user_id, name): at for user_id, name, at in arrivals}
    if len(heard) != len(arrivals) or heard.keys() != committed.keys():
        raise TrialError(f"{len(committed)} unlocks, {len(arrivals)} arrivals")
    return sorted(heard[key] - at for key, at in committed.items())


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _postgres_seconds(view: psutil.Process) -> float:
    """Of every process of Postgres on this machine, but the view's own."""
    total = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        if process.pid != view.pid and process.info["name"] == "postgres":
            total += process.info["cpu_times"].user + process.info["cpu_times"].system
    return total


def _page(result: Result, options: argparse.Namespace) -> str:
    machine, delays = describe_machine(), result.delays
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    mebibytes = 2**20
    rows = [
        ("the view, share of a core", f"{result.view:.2f}", "0.50"),
        ("unlock, commit to arrival, p50, s", f"{statistics.median(delays):.2f}", ""),
        ("unlock, commit to arrival, p99, s", f"{delays[int(len(delays) * 0.99)]:.2f}", "1.50"),
        ("unlock, commit to arrival, longest, s", f"{delays[-1]:.2f}", ""),
        ("memory of the view, MiB", f"{result.bytes / mebibytes:.0f}", ""),
        (
            "memory for one stream, KiB",
            f"{(result.bytes - result.idle_bytes) / options.streams / 1024:.1f}",
            "",
        ),
        ("Postgres, share of a core", f"{result.postgres:.2f}", ""),
        ("the clients, share of a core", f"{result.clients:.2f}", ""),
    ]
    versions = ", ".join(f"{name} {text}" for name, text in describe_versions().items())
    lines = [
        "# Live updates",
        "",
        f"{now}, {machine['cores']} cores ({machine['processor']}), {machine['memory']}, "
        f"{machine['system']}. {options.streams:,} learners are connected to one "
        f"`progress-worker api` process, out of {_STORED:,} in the database. {options.rate} "
        f"unlocks a second are committed for {options.seconds} s, {len(delays):,} in all. Each "
        "arrived exactly once. The view shares the machine with Postgres, the clients and the "
        f"writer. Load average at the end: {result.load:.1f}.",
        "",
        *markdown(("", "measured", "goal"), rows),
        "",
        f"Versions: {versions}.",
    ]
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure live updates.")
    parser.add_argument("--streams", type=int, default=5_000)
    parser.add_argument("--rate", type=int, default=100, help="unlocks a second")
    parser.add_argument("--seconds", type=int, default=60)
    return parser.parse_args()


if __name__ == "__main__":
    main()
