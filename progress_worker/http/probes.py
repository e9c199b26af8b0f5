"""The paths for an orchestrator and for Prometheus. They need no token."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from progress_worker.http.api.fields import Answer
from progress_worker.http.endpoints import Call, Endpoint

_NO_STORE: Final = {"Cache-Control": "no-store"}


class HealthAnswer(Answer, frozen=True, kw_only=True):
    """That all is well."""

    status: Annotated[Literal["ok"], Meta(description="Anything else is a problem.")] = "ok"


def _healthy() -> Response:
    body = msgspec.json.encode(HealthAnswer())
    return Response(body, media_type="application/json", headers=_NO_STORE)


async def livez(_call: Call) -> Response:
    """The process serves requests, even if Postgres does not answer."""
    return _healthy()


async def readyz(call: Call) -> Response:
    """The learners' progress can be read."""
    await call.view.reads.ready()
    return _healthy()


async def metrics(call: Call) -> Response:
    """The view's metrics."""
    body = generate_latest(call.view.metrics.registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST, **_NO_STORE})


ENDPOINTS: Final = (
    Endpoint("/livez", livez, tag="operations", answer=HealthAnswer),
    Endpoint("/readyz", readyz, tag="operations", answer=HealthAnswer),
    Endpoint(
        "/metrics",
        metrics,
        tag="operations",
        answer={"text/plain": {"schema": {"type": "string"}}},
        about={"description": "Prometheus's text format."},
    ),
)
