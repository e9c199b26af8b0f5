"""The HTTP view as an application: its parts put together, and the server that runs it."""

from __future__ import annotations

import datetime as dt
import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from progress_worker.domain.rulebook import RuleBook
from progress_worker.http import probes
from progress_worker.http.api import achievement, documentation, preferences, routes
from progress_worker.http.api.openapi import describe
from progress_worker.http.api.zones import UnknownZones
from progress_worker.http.computing import Computing
from progress_worker.http.context import ViewContext
from progress_worker.http.endpoints import Endpoint, Endpoints
from progress_worker.http.export import endpoint as export
from progress_worker.http.export.spools import Spools
from progress_worker.http.front import Front
from progress_worker.http.live import endpoint as live
from progress_worker.http.live.hub import Hub
from progress_worker.http.live.parts import HEARTBEAT_SECONDS, Live
from progress_worker.http.live.tickets import Tickets, ticket_key
from progress_worker.http.metrics import ViewMetrics
from progress_worker.http.origins import Origins
from progress_worker.http.page import login
from progress_worker.http.page import routes as page
from progress_worker.http.page.languages import Languages, shipped_languages
from progress_worker.http.rarity import ViewRarity
from progress_worker.http.reads import reads_of
from progress_worker.http.security.authentication import Authenticator
from progress_worker.http.serving.connections import (
    HEAD_SECONDS,
    Connections,
    listen,
    most_connections,
)
from progress_worker.http.serving.processes import Processes
from progress_worker.http.serving.view import run
from progress_worker.http.shared_metrics import shared_metrics
from progress_worker.settings.view import ViewSettings
from progress_worker.storage.read.changes import ChangeReads
from progress_worker.storage.read.explanations import ExplanationReads
from progress_worker.storage.read.export import ExportReads
from progress_worker.storage.read.progress import ProgressReads
from progress_worker.telemetry.logs import configure_logs

_ENDPOINTS = (
    *routes.ENDPOINTS,
    *preferences.ENDPOINTS,
    *achievement.ENDPOINTS,
    *export.ENDPOINTS,
    *live.ENDPOINTS,
    *probes.ENDPOINTS,
)


def utc_now() -> dt.datetime:
    """The clock of everything but the tests."""
    return dt.datetime.now(dt.UTC)


def openapi_document() -> dict[str, Any]:
    """The view's OpenAPI document, which `schemas/openapi.json` publishes."""
    return describe(_ENDPOINTS)


def write_openapi(directory: Path) -> None:
    """Write the document as `openapi.json` into an existing directory."""
    text = json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"
    (directory / "openapi.json").write_text(text, encoding="utf-8")


def create_app(
    settings: ViewSettings,
    book: RuleBook,
    clock: Callable[[], dt.datetime] = utc_now,
    most_streams: int | None = None,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    metrics: ViewMetrics | None = None,
    page_languages: Languages | None = None,
) -> Front:
    """The view, ready to serve. It connects to Postgres at the first request.

    `book` is the active rule book as long as the database has none. `clock` returns the present
    time with a zone. `most_streams` is lower than the setting where the process may open few files.
    `page_languages` are those of the package by default.
    The application closes its connections at its shutdown.
    """
    opened = reads_of(settings, book)
    reads, books = opened.short, opened.books
    metrics = metrics or ViewMetrics()
    computing = Computing()
    hub = Hub(ChangeReads(reads, books), metrics, most_streams or settings.view_max_streams)

    async def close() -> None:
        hub.stop()
        await opened.close()
        computing.close()

    context = ViewContext(
        clock=clock,
        metrics=metrics,
        authenticator=Authenticator(settings, metrics),
        reads=ProgressReads(reads, books, UnknownZones(metrics).note),
        rarity=ViewRarity(reads),
        exports=ExportReads(opened.long, books),
        spools=Spools(),
        export_seconds=settings.view_export_timeout_seconds,
        xapi_home_page=settings.xapi_home,
        explanations=ExplanationReads(opened.long, books, settings.view_export_timeout_seconds),
        computing=computing,
        live=Live(hub, Tickets(ticket_key(settings)), heartbeat_seconds),
        page_languages=page_languages or shipped_languages(),
        development_login=settings.view_development_login,
    )
    origins = Origins(settings.allowed_origins) if settings.allowed_origins else None
    endpoints = Endpoints(_endpoints(settings))
    return Front(context, endpoints, close, settings.view_metrics_port, origins)


def _endpoints(settings: ViewSettings) -> tuple[Endpoint, ...]:
    return (
        *_ENDPOINTS,
        *page.ENDPOINTS,
        *documentation.ENDPOINTS,
        documentation.document_endpoint(openapi_document()),
        *((login.ENDPOINT,) if settings.view_development_login else ()),
    )


def serve(
    settings: ViewSettings,
    book: RuleBook,
    head_seconds: float = HEAD_SECONDS,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    processes: int = 1,
) -> None:
    """Serve the view until a signal ends it, in one process or in several that share its port.

    Raises ConfigurationError if it cannot listen or may not open enough files, and FatalError if
    one of several processes did not end in order.
    """
    configure_logs(settings)
    files = settings.view_pool_size + settings.view_export_pool_size
    wanted = settings.view_max_connections + settings.view_max_streams
    most = most_connections(wanted, files)
    streams = min(settings.view_max_streams, most - min(settings.view_max_connections, most // 2))
    listeners = [listen(settings.view_host, settings.view_port, "VIEW_PORT")]
    if settings.view_metrics_port is not None:
        listeners.append(
            listen(settings.view_host, settings.view_metrics_port, "VIEW_METRICS_PORT")
        )
    connections = Connections(most, head_seconds)

    def make(metrics: ViewMetrics | None = None) -> Front:
        return create_app(
            settings,
            book,
            most_streams=streams,
            heartbeat_seconds=heartbeat_seconds,
            metrics=metrics,
        )

    if processes == 1:
        app = make()
        gc.freeze()  # Everything so far stays. The collector need not look at it again.
        run(app, listeners, connections, app.context.live.hub.stop)
        return
    with shared_metrics() as shared:
        app = make(ViewMetrics(shared.directory))

        def serve_one(place: int) -> None:
            shared.take(place)
            run(app, listeners, connections, app.context.live.hub.stop)

        gc.freeze()  # The collector would write to memory that the processes share.
        Processes(processes, listeners, serve_one, shared.left).run()
