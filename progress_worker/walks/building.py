"""Builds the services that take walks over all learners."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import faust
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.outbox.messages import Messages
from progress_worker.settings.worker import Settings
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.telemetry.metrics import Metrics
from progress_worker.walks.inactivity import inactivity_walk
from progress_worker.walks.moving import MoveSchedule
from progress_worker.walks.rarity import rarity_walk
from progress_worker.walks.service import Schedule, WalkService
from progress_worker.walks.walk import Walk


def walk_services(
    app: faust.App,
    settings: Settings,
    engine: AsyncEngine,
    books: RuleBooks,
    move: Walk,
    metrics: Metrics,
    messages: Messages,
    outbox_filled: asyncio.Event,
) -> Iterator[WalkService]:
    """Those that work while this worker leads; `move` moves learners to the active rule book.

    `outbox_filled` wakes the relay.
    """
    limit = settings.database_statement_timeout_seconds
    walks: list[tuple[Walk, Schedule]] = [(move, MoveSchedule(books))]
    if hours := settings.rarity_hours:
        walks.append(rarity_walk(engine, books, metrics, hours, limit))
    if days := settings.learner_retention_days:
        walks.append(inactivity_walk(engine, messages, outbox_filled, days, limit))
    rate = settings.walk_learners_per_second
    for walk, schedule in walks:
        yield WalkService(app, walk, schedule, books, metrics.total_lag, learners_per_second=rate)
