"""A path must match a route exactly, and a topic is found by its exact name."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.http.stage import Stage
from tests.http.test_problems import PATHS, assert_problem

pytestmark = pytest.mark.integration

ENDS = ("\n", "\r", "\r\n", "\u0085", "\u2028", "\u2029", "\v", "\f", "\x1c", " ", "\t", "\n\n")
OTHER_PATHS = (
    "/",
    "/page.css",
    "/icon.svg",
    "/page.js",
    "/icons.svg",
    "/docs/swagger-ui.css",
    "/nowhere",
)
TOPIC = "/api/progress/skill-levels/graphs"


@pytest.mark.parametrize("path", [path for path in (*PATHS, *OTHER_PATHS) if path != TOPIC])
async def test_a_path_with_something_behind_it_is_another_path(
    empty_stage: Stage, path: str
) -> None:
    headers = {"Authorization": f"Bearer {empty_stage.token()}"}
    for end in ENDS:
        answer = await empty_stage.client.get(path + quote(end), headers=headers)
        assert_problem(answer, 404)
        head = await empty_stage.client.head(path + quote(end), headers=headers)
        assert head.status_code == 404


async def test_a_topic_is_found_by_its_name_and_no_other(stage: Stage) -> None:
    names = ["abc", *(f"abc{end}" for end in ENDS), "\nabc", "a\nbc", "\n", "a/b\n/c", "/"]
    for number, name in enumerate(names):
        await stage.complete("2026-11-22T10:00:00Z", topic=name, seconds=number + 1)
    for number, name in enumerate(names):
        found = await stage.read(f"/skill-levels/{quote(name, safe='')}")
        assert (found["topic"], found["time_spent_seconds"]) == (name, number + 1)
    for stranger in ("abc\n\r", "ab", "abc/", "ABC", "\n\n"):
        found = await stage.read(f"/skill-levels/{quote(stranger, safe='')}")
        assert (found["topic"], found["exercises_completed"]) == (stranger, 0)
