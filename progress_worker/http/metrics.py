"""The view's metrics, in their own registry."""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ViewMetrics:
    """The view's metrics. Labels hold route templates, never a learner.

    With a directory, `registry` has the sums over all processes that keep theirs there. It then has
    no metrics about the process itself.
    """

    def __init__(self, directory: str | None = None) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry if directory is None else None
        if directory is None:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
        else:
            MultiProcessCollector(self.registry, directory)  # type: ignore[no-untyped-call]
        self.request_seconds = Histogram(
            "progress_view_request_duration_seconds",
            "From the arrival of a request to the end of its answer.",
            ["route", "method", "status"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.requests_in_progress = Gauge(
            "progress_view_requests_in_progress",
            "Requests whose answer has not ended yet.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.key_refreshes = Counter(
            "progress_view_key_refreshes",
            "Reads of the JWKS file or URL, by result (ok, failed).",
            ["result"],
            registry=registry,
        )
        self.unknown_zones = Counter(
            "progress_view_unknown_zones",
            "Reads of a learner whose time zone this release does not know; answered in UTC.",
            registry=registry,
        )
        self.streams = Gauge(
            "progress_view_streams",
            "Open streams of live updates.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.stream_events = Counter(
            "progress_view_stream_events",
            "Events handed to streams, by kind (progress, achievement, level, reset).",
            ["kind"],
            registry=registry,
        )
        self.stream_ends = Counter(
            "progress_view_stream_ends",
            "Streams that ended, by reason: left (the client went), expired (the token's `exp`), "
            "slow (the client did not read), stopping (the process stops), failed (a fault of the "
            "view).",
            ["reason"],
            registry=registry,
        )
        self.stream_look_seconds = Histogram(
            "progress_view_stream_look_duration_seconds",
            "The statement that finds what is new for all streams. An event arrives within one "
            "second and this time after its commit.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._requests: dict[tuple[str, str, str], Histogram] = {}
        # Create every label at start-up, so that its first increment is visible to `increase()`.
        for result in ("ok", "failed"):
            self.key_refreshes.labels(result)
        for kind in ("progress", "achievement", "level", "reset"):
            self.stream_events.labels(kind)
        for reason in ("left", "expired", "slow", "stopping", "failed"):
            self.stream_ends.labels(reason)

    def observe_request(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count one request. To look up the labels would take longer than all else."""
        labels = (route, method, status)
        found = self._requests.get(labels)
        if found is None:
            found = self._requests[labels] = self.request_seconds.labels(*labels)
        found.observe(seconds)
