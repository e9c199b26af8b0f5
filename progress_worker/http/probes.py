"""The paths for an orchestrator and for Prometheus. They need no token."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field
from starlette.responses import Response

from progress_worker.http.api.responses import Answer
from progress_worker.http.api.routes import ReadRouter
from progress_worker.http.context import View

router = ReadRouter(tags=["operations"])

_NO_STORE = {"Cache-Control": "no-store"}


class HealthAnswer(Answer):
    """That all is well."""

    status: Literal["ok"] = Field(default="ok", description="Anything else is a problem.")


def _healthy() -> Response:
    body = HealthAnswer().model_dump_json()
    return Response(body, media_type="application/json", headers=_NO_STORE)


@router.get("/livez", operation_id="livez", response_model=HealthAnswer)
async def livez() -> Response:
    """The process serves requests, even if Postgres does not answer."""
    return _healthy()


@router.get("/readyz", operation_id="readyz", response_model=HealthAnswer)
async def readyz(view: View) -> Response:
    """The learners' progress can be read."""
    await view.reads.ready()
    return _healthy()


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def metrics(view: View) -> Response:
    """The view's metrics."""
    body = generate_latest(view.metrics.registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST, **_NO_STORE})
