"""Which endpoint a path finds, where paths have placeholders at their end or amid them."""

from __future__ import annotations

import pytest
from starlette.responses import Response

from progress_worker.http.endpoints import Call, Endpoint, Endpoints


async def handle(_: Call) -> Response:
    return Response()


FOUND = Endpoints(
    tuple(
        Endpoint(path, handle)
        for path in (
            "/things",
            "/things/{id}",
            "/things/{id}/why",
            "/other/{name}",
            "/things/fixed",
        )
    )
)


@pytest.mark.parametrize(
    ("path", "endpoint", "text"),
    [
        ("/things", "/things", None),
        ("/things/", "/things/{id}", ""),
        ("/things/one", "/things/{id}", "one"),
        ("/things/fixed", "/things/fixed", None),
        ("/things/fixed/why", "/things/{id}/why", "fixed"),
        ("/things/one/why", "/things/{id}/why", "one"),
        ("/things/one/two/why", "/things/{id}/why", "one/two"),
        ("/things/one/why/", "/things/{id}", "one/why/"),
        ("/things/one/WHY", "/things/{id}", "one/WHY"),
        ("/things/why", "/things/{id}", "why"),
        ("/things//why", "/things/{id}/why", ""),
        ("/things/why/why", "/things/{id}/why", "why"),
        ("/other/one/why", "/other/{name}", "one/why"),
        ("/thing", None, None),
        ("/why", None, None),
    ],
)
def test_find(path: str, endpoint: str | None, text: str | None) -> None:
    found, in_path = FOUND.find(path)
    assert (found and found.path, in_path) == (endpoint, text)
