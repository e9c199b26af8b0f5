"""Long answers: the work grows only linearly, and runs beside the event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import psycopg
import pytest

from progress_worker.domain.rulebook import read_rule_book
from progress_worker.domain.state import Cell
from progress_worker.domain.totals import Totals
from progress_worker.errors import TransientError
from progress_worker.http.api.presentation_over_time import present_statistics
from progress_worker.http.api.responses_over_time import Period
from progress_worker.http.computing import Computing
from progress_worker.storage.read.views import Stamp, StatisticsView
from tests.http.stage import CATALOGUE, NOON, Stage

LONG = 1_000_000
#: The functions that decode what was read and write the answer.
STEPS = {("decoding.py", "lines_of"), ("templating.py", "render")}
PATHS = (
    *("", "/achievements", "/badges", "/statistics", "/statistics?period=monthly"),
    *("/history?days=366", "/history?start_date=2025-11-23", "/skill-levels"),
)


class Topic(str):
    """A topic that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Topic.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


BOOK = read_rule_book(CATALOGUE)


def test_statistics_compare_no_topic_with_every_other() -> None:
    cells: dict[Cell, Totals] = {
        (Topic(f"topic-{n}"), "easy"): Totals(1, 1, 80_00, 60, 0, 1) for n in range(2_000)
    }
    periods: tuple[Period, ...] = ("all", "monthly")
    for period in periods:
        Topic.compared = 0
        view = StatisticsView(Stamp(BOOK), cells, {NOON.date(): cells})
        answer = present_statistics(view, "ada", period, NOON)
        assert len(answer.by_topic) == len(cells)
        assert Topic.compared <= 2 * len(cells)


async def test_the_loop_goes_on_while_a_long_answer_is_made() -> None:
    computing, others_were_answered = Computing(), threading.Event()
    answer = asyncio.create_task(computing.make(LONG, lambda: others_were_answered.wait(20)))
    await asyncio.sleep(0.05)
    others_were_answered.set()
    assert await answer is True
    computing.close()


async def test_an_error_in_a_long_answer_is_its_own() -> None:
    computing = Computing()
    with pytest.raises(ZeroDivisionError):
        await computing.make(LONG, lambda: 1 // 0)
    assert await computing.make(LONG, lambda: 1) == 1
    computing.close()


async def test_nobody_waits_for_ever_for_a_long_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("progress_worker.http.computing._LIMIT_SECONDS", 0.05)
    computing, done = Computing(), threading.Event()
    with pytest.raises(TransientError):
        await computing.make(LONG, lambda: done.wait(20))
    done.set()
    computing.close()


def fill(stage: Stage, topics: int) -> None:
    """Give ada this many topics, each on a day of its own, and a year of active days."""
    with psycopg.connect(stage.database.owner_url) as connection:
        for statement in (
            "INSERT INTO learner (user_id, version, active_days, counters) SELECT 'ada', 1,"
            " range_agg(daterange(date '2026-11-23' - n, date '2026-11-24' - n)), '{}'"
            " FROM generate_series(0, 365) AS n",
            "INSERT INTO learner_total SELECT 'ada', 'topic-' || n, 'easy', 1, 1, 8000, 60, 0"
            " FROM generate_series(1, %(topics)s) AS n",
            "INSERT INTO learner_day SELECT 'ada', date '2026-11-23' - n %% 366, 'topic-' || n,"
            " 'easy', 1, 1, 8000, 60, 0 FROM generate_series(1, %(topics)s) AS n",
            "INSERT INTO skill_level SELECT 'ada', 'topic-' || n, 'expert', 'advanced', now()"
            " FROM generate_series(1, %(topics)s) AS n",
        ):
            connection.execute(statement, {"topics": topics})


@contextmanager
def threads_of_steps() -> Iterator[dict[str, set[str]]]:
    """Which threads decode and write, by the step's name."""
    found: dict[str, set[str]] = {}

    def spy(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and (code.co_filename.rpartition("/")[2], code.co_name) in STEPS:
            found.setdefault(code.co_name, set()).add(threading.current_thread().name)

    threading.setprofile(spy)
    sys.setprofile(spy)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.mark.integration
async def test_every_answer_of_a_big_learner_is_made_beside_the_loop(stage: Stage) -> None:
    fill(stage, 1_000)
    headers = {"Authorization": f"Bearer {stage.token()}"}
    with threads_of_steps() as found:
        for path in (*(f"/api/progress{path}" for path in PATHS), "/"):
            found.clear()
            answer = await stage.client.get(path, headers=headers)
            assert answer.status_code == 200
            steps = ("lines_of", "render") if path == "/" else ("lines_of",)
            assert found == {name: {"answers_0"} for name in steps}, path


@pytest.mark.integration
async def test_one_topic_of_a_big_learner_is_read_alone(stage: Stage) -> None:
    fill(stage, 1_000)
    row = await stage.app.context.reads.topic("ada", "topic-7")
    assert row.characters < 500
    assert (await stage.read("/skill-levels/topic-7"))["exercises_completed"] == 1
