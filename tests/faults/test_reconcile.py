"""The reconciler sees every row and record that is missing, double or changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from progress_worker.domain.completion import Completion
from progress_worker.embedded.broker import Broker
from progress_worker.embedded.postgres import Postgres
from progress_worker.generator.generator import GeneratedRecord
from tests.harness.chains import Book, Chain, Unlocked
from tests.harness.deploying import deploy
from tests.harness.outputs import Outputs, find
from tests.harness.published import told_of
from tests.harness.reconcile import differences
from tests.harness.reconcile_many import reconcile_many
from tests.harness.reconciled import CATALOGUE, AnyOrder, Run
from tests.harness.storage import execute
from tests.harness.traffic import Traffic

pytestmark = pytest.mark.integration

TABLES = (
    "learner",
    "excuse",
    "completion",
    "learner_total",
    "learner_day",
    "skill_level",
    "achievement_unlock",
    "lost_unlock",
)
TOPICS = {"unlocks": "achievement-unlocked", "losses": "achievement-changes"}


@pytest.fixture(scope="module")
async def run(
    broker: Broker,
    postgres: Postgres,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Run]:
    name = f"reconciled_{uuid4().hex}"
    database = postgres.create_database(name, migrated_template)
    directory: Path = tmp_path_factory.mktemp("workers")
    deployment = await deploy(broker.bootstrap, database, directory, idempotent=False)
    deployment.catalogue = directory / "rules.yaml"
    deployment.catalogue.write_text(CATALOGUE, encoding="utf-8")
    traffic = Traffic(deployment, seed=39, count=900, learners=12, broken_share=0.05, fair=True)
    async with deployment.worker():
        await traffic.send()
        await traffic.drained()
    yield Run(deployment, traffic, await find(deployment.settings(), database.owner_url))
    postgres.drop_database(name)


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case None:
            return "something"
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case bytes():
            return value + b"x"
        case dt.date():
            return value + dt.timedelta(days=1)
        case UUID():
            return UUID(int=value.int ^ 1)
    return () if value else ((1, 1),)


def test_nothing_differs_after_a_run_without_faults(run: Run) -> None:
    found = run.findings()
    assert run.differences(found) == []
    assert all(found.rows[table] for table in TABLES)
    assert all(getattr(found, records) for records in (*TOPICS, "letters"))
    again = {(x.achievement_id, x.occurrence > 1) for x in found.unlocks if x.generation > 1}
    earned_again = {("good_ones", True), ("good_ones", False), ("good_and_busy", False)}
    assert earned_again | {("busy_weeks", True)} <= again


@pytest.mark.parametrize("table", TABLES)
def test_a_row_that_is_missing_or_double_is_told(run: Run, table: str) -> None:
    found = run.findings()
    row = found.rows[table].pop()
    assert [s for s in run.differences(found) if s.startswith(f"{table} lacks {row}")]
    found.rows[table] += [row, row]
    assert run.differences(found) == [f"{table} has {row}, which should not be there"]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_counts(run: Run, table: str) -> None:
    found = run.findings()
    row = found.rows[table].pop()
    for column, value in enumerate(row):
        spoilt = (*row[:column], changed(value), *row[column + 1 :])
        found.rows[table].append(spoilt)
        assert len(run.differences(found)) == 2, f"column {column} of {table} is not compared"
        found.rows[table].pop()


def test_what_is_left_in_the_outbox_is_told(run: Run) -> None:
    found = run.findings()
    found.rows["outbox"].append(("unlocked", b"ada", b"{}", None))
    assert len(run.differences(found)) == 1


@pytest.mark.parametrize("records", TOPICS)
def test_records_may_be_repeated_but_not_miss_or_differ(run: Run, records: str) -> None:
    found = run.findings()
    there = getattr(found, records)
    there.append(there[0])
    assert run.differences(found) == []
    spared = there[0]
    others = [one for one in there if one != spared]
    (said,) = run.differences(_with(found, records, others))
    assert said == f"{TOPICS[records]} lacks {spared}"
    for column, value in enumerate(spared):
        spoilt = type(spared)(*[*spared[:column], changed(value), *spared[column + 1 :]])
        assert len(run.differences(_with(found, records, [*others, spoilt]))) == 2


def _with(found: Outputs, records: str, some: Any) -> Outputs:
    changes: dict[str, Any] = {records: some}
    return replace(found, **changes)


Spoil = Callable[[Any], Any]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda letter: letter._replace(reason="too_large"),
        lambda letter: letter._replace(key=b"somebody"),
        lambda letter: letter._replace(value=(letter.value or b"") + b" "),
        lambda letter: letter._replace(headers=(*letter.headers, ("more", b""))),
    ],
    ids=["reason", "key", "value", "headers"],
)
def test_dead_letters_may_be_repeated_but_not_miss_or_differ(run: Run, spoil: Spoil) -> None:
    found = run.findings()
    found.letters.append(found.letters[0])
    assert run.differences(found) == []
    letter, origin = found.letters[0]
    others = [one for one in found.letters if one[1] != origin]
    assert len(run.differences(replace(found, letters=others))) == 1
    others.append((spoil(letter), origin))
    assert len(run.differences(replace(found, letters=others))) == 2


def test_a_dead_letter_of_another_topic_is_told(run: Run) -> None:
    found = run.findings()
    letter, origin = found.letters[0]
    found.letters.append((letter, ("elsewhere", *origin[1:])))
    assert run.differences(found) == [
        f"a dead letter says that it comes from {found.letters[-1][1]}"
    ]


def test_a_lost_event_is_told_in_every_table_that_it_touched(run: Run) -> None:
    """As if a worker had committed the offset but not the event."""
    event = next(r for r in reversed(run.sent) if r.kind == "fresh")
    more = run.expect([*run.sent, event._replace(completion=_another(event))])
    wrong = differences(more, run.findings())
    assert {"completion", "learner_total", "learner_day"} <= {one.split()[0] for one in wrong}


def _another(record: GeneratedRecord) -> Completion:
    assert record.completion is not None
    return record.completion._replace(event_id=uuid4())


def test_in_any_order_nothing_else_may_differ(run: Run) -> None:
    one = AnyOrder(run)
    assert one.differences() == []
    for table in TABLES:
        place, rows = one.place(table), one.found.rows[table]
        row = rows.pop(place)
        assert one.differences(), f"a row that {table} lacks is not reported"
        rows.insert(place, row)
    place, levels = one.place("skill_level"), one.found.rows["skill_level"]
    user_id, topic, level, *rest = levels[place]
    levels[place] = (user_id, topic, "advanced" if level == "expert" else "expert", *rest)
    assert one.differences()


def test_in_any_order_another_event_of_the_learner_may_be_the_trigger(run: Run) -> None:
    one = AnyOrder(run)
    unlocks, place = one.found.rows["achievement_unlock"], one.place("achievement_unlock")
    row = Unlocked(*unlocks[place])
    (index,) = [
        number
        for number, told in enumerate(one.found.unlocks)
        if told[4:8] == (row.user_id, row.achievement_id, row.occurrence, row.generation)
    ]
    for event in (one.events[-1], one.stranger):
        unlocks[place] = row._replace(
            unlocked_at=event.completed_at,
            local_day=event.local_day,
            triggering_event_id=event.event_id,
        )
        one.found.unlocks[index] = one.found.unlocks[index]._replace(
            unlocked_at=event.completed_at, triggering_event_id=str(event.event_id)
        )
        assert (one.differences() == []) == (event is not one.stranger)


def test_in_any_order_it_may_have_been_lost_but_without_a_gap(run: Run) -> None:
    """As often as a revision can have taken it, and each time with a loss that is published."""
    one = AnyOrder(run)
    rows, unlocks, losses = one.found.rows, one.found.unlocks, one.found.losses
    place = next(
        place
        for place, row in enumerate(rows["achievement_unlock"])
        if row[:2] == (one.learner, "good_ones") and row[3] == 1
    )
    row = rows["achievement_unlock"][place]
    again = Unlocked(*row)._replace(generation=2)
    book = Book(again.rule_version, again.rules_digest)
    lost = Chain((Unlocked(*row),)).lose(revoked=False, rule_version=book.version)
    told = told_of([Chain((*lost.unlocked, again), lost.lost)])
    name = "good_ones" if row[2] == 1 else f"good_ones#{row[2]}"
    rows["achievement_unlock"][place] = tuple(again)
    rows["lost_unlock"].append((one.learner, name, 1))
    unlocks += [unlock for unlock in told.unlocks if unlock.generation == 2]
    assert one.differences()
    losses += told.losses
    assert one.differences() == []
    unlocks.remove(next(unlock for unlock in told.unlocks if unlock.generation == 1))
    assert one.differences()


async def test_slice_by_slice_the_same_is_told(run: Run) -> None:
    compared: list[int] = []
    args = run.deployment, run.sent, compared.append
    assert await reconcile_many(*args, excuses=run.excuses, slice_size=5) == []
    assert compared == [5, 5, 2]
    event = next(r for r in reversed(run.sent) if r.kind == "fresh")
    lost = event._replace(completion=_another(event))
    wrong = await reconcile_many(
        run.deployment, [*run.sent, lost], excuses=run.excuses, slice_size=5
    )
    assert {"completion", "learner_total", "learner_day"} <= {one.split()[0] for one in wrong}
    broken = next(r for r in run.sent if r.reason)
    wrong = await reconcile_many(
        run.deployment, [*run.sent, broken], excuses=run.excuses, slice_size=5
    )
    assert [one for one in wrong if one.startswith("the dead letters lack a record")] == wrong != []


async def test_rows_are_read_as_they_are_now(run: Run) -> None:
    url = run.deployment.database.owner_url
    execute(url, "UPDATE learner SET active_days = active_days + '{[2001-01-01,2001-01-02)}'")
    try:
        found = await find(run.deployment.settings(), url)
        assert len(run.differences(found)) == 2 * len(found.rows["learner"])
    finally:
        execute(url, "UPDATE learner SET active_days = active_days - '{[2001-01-01,2001-01-02)}'")


@pytest.mark.parametrize("column", ["excused_days", "travel_days"])
async def test_excused_days_that_nobody_excused_are_told(run: Run, column: str) -> None:
    url = run.deployment.database.owner_url
    day = "'{[2001-01-01,2001-01-02)}'"
    change = f"UPDATE learner SET {column} = coalesce({column}, '{{}}')"
    execute(url, f"{change} + {day}".encode())  # type: ignore[arg-type]
    try:
        found = await find(run.deployment.settings(), url)
        assert len(run.differences(found)) == 2 * len(found.rows["learner"])
    finally:
        execute(url, f"{change} - {day}".encode())  # type: ignore[arg-type]
