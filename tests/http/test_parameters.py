"""Parameters are read as written, may be given once, and are checked first."""

from __future__ import annotations

from typing import Any

import pytest

from progress_worker.http.application import openapi_document
from tests.http.stage import Stage

pytestmark = pytest.mark.integration

PREFIX = "/api/progress"
#: A good value of every query parameter.
GOOD = {
    "user_id": "ada",
    "period": "daily",
    "days": "5",
    "start_date": "2026-11-01",
    "end_date": "2026-11-23",
    "format": "csv",
    "ticket": "a",
    "last_event_id": "5",
    "occurrence": "1",
    "limit": "5",
    "before": "1772445720000000~00000000-0000-0000-0000-000000000001",
}
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def query_parameters() -> list[tuple[str, str]]:
    """Every path and each of its query parameters."""
    return [
        (
            path.replace("{topic}", "graphs").replace("{id}", "first").removeprefix(PREFIX),
            parameter["name"],
        )
        for path, operations in openapi_document()["paths"].items()
        for parameter in operations["get"].get("parameters", ())
        if parameter["in"] == "query"
    ]


async def assert_refused(stage: Stage, path: str, query: list[tuple[str, Any]]) -> None:
    """The answer is 422 and names the first parameter, whatever the client has cached."""
    for headers in ({}, {"If-None-Match": "*"}):
        answer = await stage.client.get(
            f"{PREFIX}{path}",
            params=query,
            headers={
                "Authorization": f"Bearer {stage.token(scope='progress:read:any')}",
                **headers,
            },
        )
        assert answer.status_code == 422, (query, headers)
        assert answer.json()["errors"][0]["location"] == f"query.{query[0][0]}"


async def test_every_parameter_is_given_once(empty_stage: Stage) -> None:
    found = query_parameters()
    assert {name for _, name in found} == set(GOOD)
    for path, name in found:
        await assert_refused(empty_stage, path, [(name, GOOD[name])] * 2)
        await assert_refused(empty_stage, path, [(name, GOOD[name]), ("x", "y"), (name, "x")])


async def test_unknown_parameters_are_ignored(empty_stage: Stage) -> None:
    answer = await empty_stage.client.get(
        f"{PREFIX}/history?days=2&x=1&x=2&Days=9",
        headers={"Authorization": f"Bearer {empty_stage.token()}"},
    )
    assert len(answer.json()["days"]) == 2


@pytest.mark.parametrize(
    "days",
    [
        *("1_0", "+5", "-5", " 5", "5 ", "5\n", "5\u00a0", "5.0", "5e0", "0x5", "05", "", "null"),
        *("5".translate(FULL_WIDTH), "٥", "²", "5,6", "5;days=6", "9" * 5_000),
    ],
)
async def test_a_number_is_written_in_one_way(empty_stage: Stage, days: str) -> None:
    await assert_refused(empty_stage, "/history", [("days", days)])


@pytest.mark.parametrize(
    "date",
    [
        *("20261123", "2026-W48-1", "2026W481", "2026-327", "2026-1-2", "26-11-23", "2026/11/23"),
        *(" 2026-11-23", "2026-11-23 ", "2026-11-23\n", "+2026-11-23", "2026-11-23T00:00:00Z"),
        *("2026-11-23".translate(FULL_WIDTH), "2026−11−23", "1763856000", "2026-02-30", ""),
        *("0000-01-01", "10000-01-01", "2026-11-2３"),
    ],
)
async def test_a_date_is_written_in_one_way(empty_stage: Stage, date: str) -> None:
    for name in ("start_date", "end_date"):
        await assert_refused(empty_stage, "/history", [(name, date)])


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        *(("/statistics", "period", value) for value in ("", "ALL", "all ", "all\n", "yearly")),
        *(("/export", "format", value) for value in ("", "CSV", " csv", "csv\n", "xml")),
        *(("", "user_id", value) for value in ("", "a" * 129, "a\0")),
    ],
)
async def test_other_values_are_refused(
    empty_stage: Stage, path: str, name: str, value: str
) -> None:
    await assert_refused(empty_stage, path, [(name, value)])


@pytest.mark.parametrize(
    "query",
    [
        {"start_date": "2026-11-24", "end_date": "2026-11-23"},
        {"start_date": "2024-01-01", "end_date": "2025-01-01"},
        {"start_date": "2025-11-22"},
        {"start_date": "2026-11-01", "days": 3},
    ],
)
async def test_a_range_is_checked_before_what_the_client_has(
    empty_stage: Stage, query: dict[str, Any]
) -> None:
    await assert_refused(empty_stage, "/history", list(query.items()))


async def test_the_page_and_its_login_take_a_parameter_once(
    empty_stage: Stage,
) -> None:
    token = empty_stage.token(scope="progress:read:any")
    for headers in ({}, {"If-None-Match": "*"}):
        answer = await empty_stage.client.get(
            "/?user_id=ada&user_id=bob", headers={"Authorization": f"Bearer {token}", **headers}
        )
        assert answer.status_code == 422
