"""The published OpenAPI document is the application's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from progress_worker.http.application import openapi_document
from tests.http.stage import Stage

PUBLISHED = Path(__file__).parents[2] / "schemas" / "openapi.json"


def test_the_published_document_has_not_drifted() -> None:
    assert json.loads(PUBLISHED.read_text("utf-8")) == openapi_document()


def test_the_document_is_the_same_every_time() -> None:
    assert json.dumps(openapi_document()) == json.dumps(openapi_document())


async def test_the_view_serves_it(empty_stage: Stage) -> None:
    served = (await empty_stage.client.get("/openapi.json")).json()
    assert served == openapi_document()


def test_every_field_and_parameter_is_described() -> None:
    document = openapi_document()
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, content in schema["properties"].items():
            assert described(content), f"{name}.{field}"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            for parameter in operation.get("parameters", ()):
                assert parameter["description"], (path, parameter["name"])


def described(content: dict[str, Any]) -> bool:
    return bool(content.get("description"))


def test_only_reading_is_documented_and_only_probes_need_no_token() -> None:
    open_paths = {"/livez", "/readyz", "/metrics"}
    for path, operations in openapi_document()["paths"].items():
        assert list(operations) == ["get"]
        assert ("security" in operations["get"]) == (path not in open_paths)
