"""The OpenAPI document and Swagger UI, which runs under a policy of its own."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from progress_worker.http.api.routes import ReadRouter

router = ReadRouter(include_in_schema=False)

_OPENAPI: Final = "/openapi.json"
_ASSETS: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_NO_ICON: Final = "data:,"
_CACHING: Final = {"Cache-Control": "no-cache"}


@router.get(_OPENAPI)
async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document, headers=_CACHING)


@router.get("/docs")
async def docs() -> Response:
    """Swagger UI."""
    page, policy = _swagger_ui()
    return HTMLResponse(page, headers={"Content-Security-Policy": policy, **_CACHING})


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """A file of Swagger UI. It comes in a wheel, so a browser loads nothing from other servers."""
    if name not in _ASSETS:
        raise HTTPException(404)
    content = (files("fastapi_offline") / "static" / name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers=_CACHING)


@cache
def _swagger_ui() -> tuple[str, str]:
    """The page, and the policy that allows its own scripts only."""
    page = bytes(
        get_swagger_ui_html(
            openapi_url=_OPENAPI,
            title="Learners' progress",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url=_NO_ICON,
        ).body
    ).decode()
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(page)
    )
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' {hashes}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return page, "; ".join(f"{name} {sources}" for name, sources in policy.items())
