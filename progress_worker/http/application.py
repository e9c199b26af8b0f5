"""The HTTP view as an application: its parts put together, and the server that runs it."""

from __future__ import annotations

import datetime as dt
import gc
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from progress_worker.domain.rulebook import RuleBook
from progress_worker.http import probes
from progress_worker.http.api import documentation, export, routes
from progress_worker.http.api.openapi import describe
from progress_worker.http.api.spools import Spools
from progress_worker.http.api.zones import UnknownZones
from progress_worker.http.computing import Computing
from progress_worker.http.context import ViewContext
from progress_worker.http.metrics import ViewMetrics
from progress_worker.http.middleware import MetricsPortMiddleware, RequestMiddleware
from progress_worker.http.page import login as page_login
from progress_worker.http.page import routes as page
from progress_worker.http.problems import add_problem_handlers
from progress_worker.http.security.authentication import Authenticator
from progress_worker.http.serving.connections import (
    HEAD_SECONDS,
    Connections,
    listen,
    most_connections,
)
from progress_worker.http.serving.view import run
from progress_worker.settings.view import ViewSettings
from progress_worker.storage.read.connections import Limits, ReadConnections
from progress_worker.storage.read.export import ExportReads
from progress_worker.storage.read.rulebooks import ViewRuleBooks
from progress_worker.storage.read.views import ProgressReads
from progress_worker.telemetry.logs import configure_logs


def utc_now() -> dt.datetime:
    """The clock of everything but the tests."""
    return dt.datetime.now(dt.UTC)


class ViewApplication(FastAPI):
    """The view's paths, without the parts that answer requests."""

    def __init__(self, lifespan: Any = None) -> None:
        super().__init__(
            lifespan=lifespan,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        for module in (routes, export, probes, documentation, page):
            self.include_router(module.router)
        add_problem_handlers(self)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return describe(self)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, under FastAPI's name for it."""
        return self.document


def openapi_document() -> dict[str, Any]:
    """The view's OpenAPI document, which `schemas/openapi.json` publishes."""
    return ViewApplication().document


def write_openapi(directory: Path) -> None:
    """Write the document as `openapi.json` into an existing directory."""
    text = json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"
    (directory / "openapi.json").write_text(text, encoding="utf-8")


def create_app(
    settings: ViewSettings,
    book: RuleBook,
    clock: Callable[[], dt.datetime] = utc_now,
) -> FastAPI:
    """The view, ready to serve. It connects to Postgres at the first request.

    `book` is the active rule book as long as the database has none. `clock` returns the present
    time with a zone. The application closes its connections at its shutdown.
    """
    reads = ReadConnections(settings.read_url, _limits(settings))
    exports = ReadConnections(settings.read_url, _export_limits(settings))
    books = ViewRuleBooks(reads, book)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await reads.close()
            await exports.close()
            computing.close()

    app = ViewApplication(lifespan)
    metrics = ViewMetrics()
    computing = Computing()
    app.state.view = ViewContext(
        clock=clock,
        metrics=metrics,
        authenticator=Authenticator(settings, metrics),
        reads=ProgressReads(reads, books, UnknownZones(metrics).note),
        exports=ExportReads(exports, books),
        spools=Spools(),
        export_seconds=settings.view_export_timeout_seconds,
        computing=computing,
        development_login=settings.view_development_login,
    )
    if settings.view_development_login:
        app.include_router(page_login.router)
    if settings.view_metrics_port is not None:
        app.add_middleware(MetricsPortMiddleware, port=settings.view_metrics_port)
    app.add_middleware(RequestMiddleware, metrics=metrics)
    return app


def serve(
    settings: ViewSettings,
    book: RuleBook,
    head_seconds: float = HEAD_SECONDS,
) -> None:
    """Serve the view until a signal ends it.

    Raises ConfigurationError if it cannot listen or may not open enough files.
    """
    configure_logs(settings)
    files = settings.view_pool_size + settings.view_export_pool_size
    most = most_connections(settings.view_max_connections, files)
    listeners = [listen(settings.view_host, settings.view_port, "VIEW_PORT")]
    if settings.view_metrics_port is not None:
        listeners.append(
            listen(settings.view_host, settings.view_metrics_port, "VIEW_METRICS_PORT")
        )
    app = create_app(settings, book)
    app.openapi()  # Make the document now. It would take too long between requests.
    gc.freeze()  # Everything so far stays. The collector need not look at it again.
    run(app, listeners, Connections(most, head_seconds))


def _limits(settings: ViewSettings) -> Limits:
    return Limits(
        settings.view_pool_size,
        settings.view_pool_timeout_seconds,
        settings.view_connect_timeout_seconds,
        settings.view_statement_timeout_seconds,
    )


def _export_limits(settings: ViewSettings) -> Limits:
    return Limits(
        settings.view_export_pool_size,
        settings.view_pool_timeout_seconds,
        settings.view_connect_timeout_seconds,
        settings.view_statement_timeout_seconds,
        settings.view_export_timeout_seconds,
    )
