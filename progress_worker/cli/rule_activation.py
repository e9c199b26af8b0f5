"""Makes a rule book the active one, follows the move of learners to it, and prints its status."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any, Final

from rich.progress import Progress

from progress_worker.cli.common import console
from progress_worker.errors import FatalError
from progress_worker.storage.database import connect_for
from progress_worker.storage.write import walks
from progress_worker.walks.activation import Status, activate, status
from progress_worker.walks.command import Opened, open_database, progress_bar, tried

_LOOK_SECONDS: Final = 1.0
#: A leader passes a page at least this often, unless its lag grows.
_STILL_SECONDS: Final = 60


async def run_activation(file: Path, *, learners_per_second: float | None, follow: bool) -> Status:
    """Activate the rule book in this file; with `follow`, wait until it has reached everybody.

    Raises FatalError where it is refused, and what `open_database` raises.
    """
    async with open_database("rules activate", catalogue_file=file) as opened:
        async with connect_for(opened.engine, opened.time_limit_seconds) as connection:
            rules = opened.rules
            await activate(
                connection, rules.book, rules.text, learners_per_second=learners_per_second
            )
            await connection.commit()
        if follow:
            with progress_bar() as bar:
                await _follow(opened, bar)
        return await _status(opened)


async def run_status() -> Status:
    """The status of the active rule book. Raises what `open_database` raises."""
    async with open_database("rules status") as opened:
        return await _status(opened)


async def _status(opened: Opened) -> Status:
    async with connect_for(opened.engine, opened.time_limit_seconds) as connection:
        found = await status(connection)
    if found is None:
        raise FatalError("No rule book was ever active: start a worker, or activate one.")
    return found


async def _follow(opened: Opened, bar: Progress) -> None:
    """Return once a pass for the rule book has ended."""
    version, limit = opened.rules.book.version, opened.time_limit_seconds
    async with connect_for(opened.engine, limit) as connection:
        task = bar.add_task("learners", total=await walks.learners(connection))
    warned = False

    async def look() -> walks.WalkState | None:
        async with connect_for(opened.engine, limit) as connection:
            return await walks.find(connection, walks.RULE_BOOK)

    while True:
        walk = await tried(look)
        if walk is not None and walk.rule_book == version:
            bar.update(task, completed=walk.examined)
            if walk.finished_at:
                return
            still = (dt.datetime.now(dt.UTC) - walk.moved_at).total_seconds() > _STILL_SECONDS
            if still and not warned:
                bar.console.print(
                    f"Nobody was moved for {_STILL_SECONDS} seconds: is a worker running? The one "
                    "that leads waits while its lag grows."
                )
            warned = still
        await asyncio.sleep(_LOOK_SECONDS)


def print_status(found: Status) -> None:
    """Print the status in sentences."""
    _say(
        f"Rule book {found.version} ({found.name}) is active since "
        f"{found.activated_at:%Y-%m-%d %H:%M:%S} UTC; its digest is {found.digest}."
    )
    _say(f"{found.moved:,} of {found.total:,} learners are complete by it.")
    for version, learners in sorted(found.learners.items(), key=lambda each: each[0] or 0):
        if version is None:
            _say(f"{learners.learners:,} were saved last by an older release.")
        elif version != found.version:
            _say(f"{learners.learners:,} are complete by rule book {version}.")
    if found.truncated:
        _say(
            f"{found.truncated:,} have deleted older completions: what these would have earned is "
            "not known."
        )
    _say(_walk_sentence(found))


def _say(sentence: str) -> None:
    console.print(sentence, highlight=False, markup=False)


def _walk_sentence(found: Status) -> str:
    walk = found.walk
    if walk is None or walk.rule_book != found.version:
        return "The walk to it has not begun: it begins in the worker that leads."
    if walk.finished_at:
        return f"The last pass of the walk ended at {walk.finished_at:%Y-%m-%d %H:%M:%S} UTC."
    seconds = max(1.0, (found.now - walk.started_at).total_seconds())
    left = max(0, found.total - walk.examined)
    rate = walk.examined / seconds
    sentence = f"The walk has passed {walk.examined:,} learners"
    if walk.learners_per_second:
        sentence += f", at most {walk.learners_per_second:g} a second as asked for"
    if rate:
        sentence += f"; at this pace it ends in {_duration(left / rate)}"
    return f"{sentence}. It moved on last at {walk.moved_at:%H:%M:%S} UTC."


def _duration(seconds: float) -> str:
    return str(dt.timedelta(seconds=round(seconds)))


def status_content(found: Status) -> dict[str, Any]:
    """The status for programs, as a JSON object."""
    walk = found.walk if found.walk and found.walk.rule_book == found.version else None
    return {
        "version": found.version,
        "name": found.name,
        "digest": found.digest,
        "activated_at": found.activated_at.isoformat(),
        "learners": found.total,
        "complete": found.moved,
        "truncated": found.truncated,
        "by_version": [
            {"version": version, **learners._asdict()}
            for version, learners in sorted(found.learners.items(), key=lambda each: each[0] or 0)
        ],
        "walk": walk
        and {
            "examined": walk.examined,
            "changed": walk.changed,
            "learners_per_second": walk.learners_per_second,
            "started_at": walk.started_at.isoformat(),
            "moved_at": walk.moved_at.isoformat(),
            "finished_at": walk.finished_at and walk.finished_at.isoformat(),
        },
    }
