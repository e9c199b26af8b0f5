"""Builds the service that warns of streaks at risk."""

from __future__ import annotations

import asyncio

import faust
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.at_risk.service import WarningService
from progress_worker.at_risk.warner import Warner
from progress_worker.outbox.messages import Messages
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.expiries import Expiries
from progress_worker.telemetry.metrics import Metrics


def warning_service(
    app: faust.App,
    engine: AsyncEngine,
    books: RuleBooks,
    expiries: Expiries,
    messages: Messages,
    metrics: Metrics,
    outbox_filled: asyncio.Event,
    *,
    hours: int,
    time_limit_seconds: float,
) -> WarningService:
    """The service that warns so many hours before a streak is lost, while this worker leads."""
    warner = Warner(
        engine,
        books,
        expiries,
        messages,
        hours=hours,
        outbox_filled=outbox_filled,
        time_limit_seconds=time_limit_seconds,
    )
    return WarningService(app, warner, books, metrics)
