"""`progress-worker sizing` and the page that shows it: costs as measured, figures that follow."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from progress_worker.settings.view import ViewSettings
from progress_worker.settings.worker import Settings
from progress_worker.sizing import costs
from progress_worker.sizing.estimate import Platform, Size, estimate
from progress_worker.sizing.text import short
from tests.harness.worker import run_command

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sizing.md").read_text("utf-8")
RESULTS = ROOT / "bench" / "results"
SHOWN = re.findall(
    r"^```console\n(progress-worker sizing [^\n]*)\n```\n\n```text\n(.*?)^```$", PAGE, re.M | re.S
)
#: A measurement of another day differs by so much; a change of the code by more.
NEAR = 0.25


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_the_page_shows_what_the_command_prints(command: str, output: str) -> None:
    done = run_command({}, *shlex.split(command)[1:])
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


def test_the_page_shows_three_platforms() -> None:
    assert len(SHOWN) == 3


def test_the_page_shows_every_cost() -> None:
    for cost in costs.COSTS:
        assert f"| {cost.name} | {cost.figure:,g} {cost.unit} | {cost.source} |\n" in PAGE


def test_the_costs_are_the_ones_that_were_measured() -> None:
    latency = json.loads((RESULTS / "latency.json").read_text())
    (measured,) = (rate for rate in latency["rates"] if rate["rate"] == 2_000)
    for cost, cores in (
        (costs.WORKER_TIME, measured["worker_cores"]),
        (costs.POSTGRES_TIME, measured["postgres_cores"]),
    ):
        assert cost.value == pytest.approx(cores / measured["sent_rate"], rel=NEAR)
    (row,) = re.findall(
        r"^\| `/api/progress` \| ([\d,]+) \|", (RESULTS / "http.md").read_text(), re.M
    )
    assert costs.VIEW_RATE.value == pytest.approx(int(row.replace(",", "")), rel=NEAR)


def million(**more: Any) -> Size:
    """What a million learners take, who finish 0.3 exercises a day each."""
    return estimate(Platform(learners=1_000_000, events_per_day=300_000, **more))


def test_figures_of_a_million_learners_as_computed_by_hand() -> None:
    size = million()
    assert size.peak_events_per_second == pytest.approx(34.7, abs=0.05)
    assert size.worker_cores_busy == pytest.approx(34.7 * 0.00021, rel=0.01)
    assert (size.workers, size.partitions, size.views) == (2, 8, 2)
    assert size.peak_requests_per_second == pytest.approx(57.9, abs=0.05)
    assert size.postgres_disk_each_further_year == pytest.approx(91.6e9, rel=0.001)
    assert size.postgres_disk_first_year == pytest.approx(91.6e9 + 15.45e9, rel=0.001)
    assert size.postgres_day_pages == pytest.approx(4.8e9)
    assert size.postgres_memory == 16e9
    assert size.wal_per_day == pytest.approx(360e6)
    assert size.kafka_disk == pytest.approx(12.4e9, rel=0.01)
    assert size.citus is None


def test_more_takes_more() -> None:
    large = estimate(Platform(learners=100_000_000, events_per_day=3_000_000_000))
    assert large.worker_cores_busy == pytest.approx(72.9, abs=0.1)
    assert large.workers == 147, "73 cores, half busy, and one in reserve"
    assert large.partitions == 4 * 147
    assert large.postgres_cores == 84
    assert large.citus is not None
    assert large.citus.nodes == pytest.approx(large.postgres_disk_first_year / 2e12, abs=1)
    assert large.citus.disk_first_year <= 2e12


def test_connections_are_those_of_every_pool() -> None:
    view = ViewSettings.model_fields
    size = million(page_views=50_000.0, active_share=1.0)
    assert size.views > 100
    assert size.postgres_connections == size.workers * Settings.model_fields[
        "database_pool_size"
    ].default + size.views * (
        view["view_pool_size"].default + view["view_export_pool_size"].default
    )


def test_deleted_completions_leave_their_sums() -> None:
    assert million().postgres_disk_each_year_then is None
    size = million(completion_days=366)
    assert size.postgres_disk_each_year_then is not None
    assert size.postgres_disk_each_year_then == pytest.approx(
        size.postgres_disk_each_further_year * 282 / 558
    )


def test_nodes_share_what_one_postgres_would_take() -> None:
    size = million(nodes=3)
    assert size.citus is not None
    assert (size.citus.nodes, size.citus.shards) == (3, 32)
    assert size.citus.disk_first_year * 3 == pytest.approx(size.postgres_disk_first_year)
    assert size.citus.connections == size.postgres_connections


def test_json_has_the_same_figures() -> None:
    done = run_command({}, "sizing", "--learners=1000000", "--events-per-day=300000", "--json")
    printed = json.loads(done.stdout)
    assert printed["size"]["workers"] == million().workers
    assert printed["size"]["wal_per_day"] == million().wal_per_day
    assert printed["platform"]["peak_factor"] == 10


@pytest.mark.parametrize(
    "wrong",
    [
        ["--learners", "0"],
        ["--events-per-day", "0"],
        ["--events-per-day", "many"],
        ["--peak-factor", "0.5"],
        ["--peak-factor", "nan"],
        ["--active-share", "1.1"],
        ["--page-views", "inf"],
        ["--completion-days", "30"],
        ["--nodes", "0"],
    ],
)
def test_nonsense_is_refused_in_one_sentence(wrong: list[str]) -> None:
    done = run_command({}, "sizing", "--learners=1", "--events-per-day=1", *wrong)
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = (line for line in done.stderr.splitlines() if line.startswith("Error: "))
    assert wrong[0] in sentence


def test_a_share_of_nobody_is_no_failure() -> None:
    size = million(active_share=0.0)
    assert (size.postgres_day_pages, size.postgres_memory, size.views) == (0, 4e9, 2)


@pytest.mark.parametrize(
    ("figure", "written"),
    [(0, "0.00"), (0.347, "0.35"), (3.47, "3.5"), (34.7, "35"), (347, "350"), (34_722, "35,000")],
)
def test_figures_have_two_digits_that_count(figure: float, written: str) -> None:
    assert short(figure) == written
