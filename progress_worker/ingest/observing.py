"""Chooses the observers of the worker's steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progress_worker.errors import ConfigurationError
from progress_worker.ingest.measuring import BatchMetrics
from progress_worker.outbox.counting import OutboxMetrics
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.worker import Settings
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.observer import Observer, Observers

if TYPE_CHECKING:
    from progress_worker.telemetry.tracing import Tracing


def open_tracing(settings: Settings) -> Tracing | None:
    """The tracing that the settings ask for; without it, none of its packages is imported."""
    if settings.tracing_endpoint is None:
        return None
    try:
        from progress_worker.telemetry.tracing import Tracing  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{PREFIX}TRACING_ENDPOINT needs the extra `tracing`: {error.name} is not installed."
        ) from error
    return Tracing.to_collector(settings, settings.tracing_endpoint)


def new_observers(metrics: Metrics, tracing: Tracing | None) -> Observer:
    """Metrics, and spans if tracing is on; without it, none of its packages is imported."""
    measuring = BatchMetrics(metrics), OutboxMetrics(metrics)
    if tracing is None:
        return Observers(*measuring)
    from progress_worker.ingest.spans import Spans  # noqa: PLC0415

    return Observers(*measuring, Spans(tracing))
