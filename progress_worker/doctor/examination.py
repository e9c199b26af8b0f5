"""Connects to everything that a worker or a view needs, one part after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final, Literal, TypeVar

from pydantic_settings import BaseSettings
from rich.console import Console
from rich.text import Text

from progress_worker.doctor.findings import Finding, in_time
from progress_worker.doctor.kafka import check_brokers, check_group, check_wanted_topics
from progress_worker.doctor.keys import check_keys
from progress_worker.doctor.postgres import check_view_database, check_worker_database
from progress_worker.errors import ProgressError
from progress_worker.settings import PREFIX, environment_names, load_settings, load_view_settings

LIMIT_SECONDS: Final = 10.0

_Loaded = TypeVar("_Loaded", bound=BaseSettings)


async def examine(part: Literal["worker", "api"] | None, console: Console) -> bool:
    """Print every finding; whether nothing is wrong.

    Without a part the worker is examined, and the view too where one of its settings is given.
    """
    ours = (f"{PREFIX}VIEW_", f"{PREFIX}JWT_")
    examinations = []
    if part != "api":
        examinations.append(examine_worker())
    if part == "api" or (
        part is None and any(name.startswith(ours) for name in environment_names())
    ):
        examinations.append(examine_view())
    well = True
    for examined in examinations:
        async for finding in examined:
            mark = "wrong" if finding.wrong else "ok"
            told = Text(f"{mark:5}  {finding.sentence}")
            console.print(told, soft_wrap=True)
            well = well and not finding.wrong
    return well


async def examine_worker(limit_seconds: float = LIMIT_SECONDS) -> AsyncIterator[Finding]:
    """What a worker would meet: its settings, Kafka, the topics, the group, Postgres."""
    settings, finding = _load("worker", load_settings)
    yield finding
    if settings is None:
        return
    for found in await in_time("Kafka", partial(check_brokers, settings), limit_seconds):
        yield found
        if found.wrong:
            break
    else:
        for what, check in (
            ("Kafka's description of the topics", partial(check_wanted_topics, settings)),
            ("The consumer group", partial(check_group, settings)),
        ):
            for found in await in_time(what, check, limit_seconds):
                yield found
    for found in await in_time("Postgres", partial(check_worker_database, settings), limit_seconds):
        yield found


async def examine_view(limit_seconds: float = LIMIT_SECONDS) -> AsyncIterator[Finding]:
    """What a view would meet: its settings, Postgres, the keys that sign tokens."""
    settings, finding = _load("view", load_view_settings)
    yield finding
    if settings is None:
        return
    for what, check in (
        ("The view's Postgres", partial(check_view_database, settings)),
        ("The source of keys", partial(check_keys, settings)),
    ):
        for found in await in_time(what, check, limit_seconds):
            yield found


def _load(part: str, load: Callable[[], _Loaded]) -> tuple[_Loaded | None, Finding]:
    try:
        settings = load()
    except ProgressError as error:
        return None, Finding(str(error), wrong=True)
    return settings, Finding(f"The {part}'s settings are complete.")
