"""Connects to everything that a worker or a view needs, one part after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final, Literal, TypeVar

from progress_worker.doctor.configuration import check_files, unread_variables
from progress_worker.doctor.findings import Finding, in_time
from progress_worker.doctor.kafka import check_brokers, check_group, check_wanted_topics
from progress_worker.doctor.keys import check_keys
from progress_worker.doctor.postgres import check_view_database, check_worker_database
from progress_worker.errors import ProgressError
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.environment import environment_names
from progress_worker.settings.rules import load_rules
from progress_worker.settings.shared import SharedSettings
from progress_worker.settings.view import load_view_settings
from progress_worker.settings.worker import load_settings

LIMIT_SECONDS: Final = 10.0

_Loaded = TypeVar("_Loaded", bound=SharedSettings)


async def examine(part: Literal["worker", "api"] | None) -> AsyncIterator[Finding]:
    """Every finding, as soon as it is there.

    Without a part, examines the worker, and also the view if one of its settings is set.
    """
    ours = (f"{PREFIX}VIEW_", f"{PREFIX}JWT_")
    for sentence in unread_variables():
        yield Finding(sentence, wrong=True)
    if part != "api":
        async for finding in examine_worker():
            yield finding
    if part == "api" or (
        part is None and any(name.startswith(ours) for name in environment_names())
    ):
        async for finding in examine_view():
            yield finding


async def examine_worker(limit_seconds: float = LIMIT_SECONDS) -> AsyncIterator[Finding]:
    """Examines what a worker needs: its settings, Kafka, the topics, the group, Postgres."""
    settings, findings = _load("worker", load_settings)
    for found in findings:
        yield found
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
    """Examines what a view needs: its settings, Postgres, the keys that sign tokens."""
    settings, findings = _load("view", load_view_settings)
    for found in findings:
        yield found
    if settings is None:
        return
    for what, check in (
        ("The view's Postgres", partial(check_view_database, settings)),
        ("The source of keys", partial(check_keys, settings)),
    ):
        for found in await in_time(what, check, limit_seconds):
            yield found


def _load(part: str, load: Callable[[], _Loaded]) -> tuple[_Loaded | None, list[Finding]]:
    try:
        settings = load()
        rules = load_rules(settings)
        check_files(settings)
    except ProgressError as error:
        return None, [Finding(sentence, wrong=True) for sentence in str(error).splitlines()]
    return settings, [Finding(f"The {part}'s settings are complete."), Finding(str(rules))]
