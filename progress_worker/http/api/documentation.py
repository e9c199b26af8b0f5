"""The OpenAPI document and Swagger UI, which runs under a policy of its own."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from progress_worker.http.api.openapi import TITLE
from progress_worker.http.endpoints import Call, Endpoint

_OPENAPI: Final = "/openapi.json"
_ASSETS: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_CACHING: Final = {"Cache-Control": "no-cache"}

_START: Final = f'SwaggerUIBundle({{url: "{_OPENAPI}", dom_id: "#ui", deepLinking: true}})'
_PAGE: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{TITLE}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>{_START}</script>
</body>
</html>
"""
_OWN_SCRIPT: Final = base64.b64encode(hashlib.sha256(_START.encode()).digest()).decode()
_POLICY: Final = {
    "default-src": "'none'",
    "script-src": f"'self' 'sha256-{_OWN_SCRIPT}'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
_POLICY_TEXT: Final = "; ".join(f"{name} {sources}" for name, sources in _POLICY.items())


async def docs(_call: Call) -> Response:
    """Swagger UI."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY_TEXT, **_CACHING})


async def asset(call: Call) -> Response:
    """A file of Swagger UI. It comes in a wheel, so a browser loads nothing from other servers."""
    name = call.in_path
    if name not in _ASSETS:
        raise HTTPException(404, "There is no such file.")
    return Response(_content(name), media_type=_ASSETS[name], headers=_CACHING)


@cache
def _content(name: str) -> bytes:
    # The package is not imported: with it would come all of FastAPI.
    path = distribution("fastapi-offline").locate_file(f"fastapi_offline/static/{name}")
    return Path(str(path)).read_bytes()


def document_endpoint(document: dict[str, Any]) -> Endpoint:
    """The endpoint that serves the OpenAPI document."""
    body = json.dumps(document, ensure_ascii=False).encode()

    async def openapi(_call: Call) -> Response:
        """The OpenAPI document."""
        return Response(body, media_type="application/json", headers=_CACHING)

    return Endpoint(_OPENAPI, openapi)


ENDPOINTS: Final = (Endpoint("/docs", docs), Endpoint("/docs/{name}", asset))
