"""Tracing: spans of batches, unlocks and sends, their traces, and no spans when it is off."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode
from structlog.testing import capture_logs

from progress_worker import USER_AGENT
from progress_worker.app import Worker
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK, free_port
from progress_worker.errors import TransientError
from progress_worker.generator.wire import Wire
from progress_worker.storage.database import connect
from progress_worker.storage.write.outbox import OutboxRecord
from progress_worker.storage.write.saving import Changes, save
from progress_worker.telemetry.tracing import Tracing
from tests.harness.collector import collecting
from tests.harness.events import ENVELOPE, Event, Record, completed, records, wire
from tests.harness.storage import Projection, fetch, projection
from tests.harness.waiting import LIMIT_SECONDS, wait_until
from tests.harness.worker import Deployment, environment

pytestmark = pytest.mark.integration

UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
STEPS = ["decode", "load", "fold", "COMMIT", "save"]


@dataclass
class Traced:
    """The parts that turn records into rows, and the spans that they made."""

    parts: Projection
    exporter: InMemorySpanExporter
    url: str

    async def apply(self, *events: Event | Wire) -> None:
        await self.parts.apply(records(*events))

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        (found,) = self.spans(name)
        return found

    def sent(self) -> list[dict[str, str]]:
        """The headers of what is in the outbox."""
        rows = fetch(self.url, "SELECT headers FROM outbox ORDER BY id")
        return [dict(headers) for (headers,) in rows]


@pytest.fixture
async def traced(named: Deployment, migrated_database: Database) -> AsyncIterator[Traced]:
    """A projector that is traced, on `migrated_database`."""
    named.database = migrated_database
    settings = named.settings(COMPLETED_TOPIC="exercises", CONSUMER_GROUP="readers")
    exporter = InMemorySpanExporter()
    async with projection(settings, Tracing(settings, SimpleSpanProcessor(exporter))) as parts:
        yield Traced(parts, exporter, migrated_database.owner_url)


def traceparent() -> str:
    """A sampled `traceparent`."""
    return f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"


def in_trace(event: Event, trace: str | None) -> Wire:
    """The event as a record that belongs to a trace."""
    headers = ENVELOPE if trace is None else (*ENVELOPE, ("traceparent", trace.encode()))
    return wire(event, headers)


def place(context: SpanContext | None) -> str:
    """The middle of a `traceparent`: which span of which trace."""
    assert context is not None
    return f"{context.trace_id:032x}-{context.span_id:016x}"


def middle(trace: str) -> str:
    return trace[3:-3]


def within(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    times = [outer.start_time, inner.start_time, inner.end_time, outer.end_time]
    return times == sorted(time for time in times if time is not None)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_batch_is_a_span_with_its_steps_and_their_numbers(traced: Traced) -> None:
    event = completed("ada")
    broken = Wire(b"ada", b"{", ENVELOPE)
    await traced.apply(event, event, completed("bob"), broken)
    batch = traced.span("process exercises")
    assert (batch.kind, batch.parent, batch.links) == (SpanKind.CONSUMER, None, ())
    assert attributes(batch) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "exercises",
        "messaging.consumer.group.name": "readers",
        "messaging.batch.message_count": 4,
    }
    spans = traced.exporter.get_finished_spans()
    assert [span.name for span in spans] == [*STEPS, batch.name]
    for step in spans[:-1]:
        assert place(step.parent) == place(batch.context)
        assert within(step, batch)
    assert attributes(traced.span("decode")) == {"progress.events": 3, "progress.dead_letters": 1}
    assert attributes(traced.span("fold")) == {
        "progress.learners": 2,
        "progress.unlocks": 2,
        "progress.events.applied": 2,
        "progress.events.duplicate": 1,
    }
    commit = traced.span("COMMIT")
    assert commit.kind is SpanKind.CLIENT
    assert attributes(commit) == {"db.system.name": "postgresql", "db.operation.name": "COMMIT"}
    assert within(commit, traced.span("save"))


async def test_an_unlock_goes_on_with_the_trace_of_its_record(traced: Traced) -> None:
    trace = traceparent()
    await traced.apply(in_trace(completed("ada"), trace))
    batch, created = traced.span("process exercises"), traced.span("create " + unlocked(traced))
    (headers,) = traced.sent()
    assert headers["traceparent"] == f"00-{place(created.context)}-01"
    assert place(created.parent) == middle(trace)
    assert created.parent is not None
    assert created.parent.is_remote
    assert created.kind is SpanKind.PRODUCER
    assert attributes(created) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "create",
        "messaging.operation.type": "create",
        "messaging.destination.name": unlocked(traced),
        "messaging.message.id": headers["ce_id"],
        "messaging.message.body.size": len(value_of_outbox(traced)),
    }
    assert [place(link.context) for link in created.links] == [place(batch.context)]
    (link,) = batch.links
    assert place(link.context) == middle(trace)
    assert dict(link.attributes or {}) == {
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
    }


def unlocked(traced: Traced) -> str:
    ((topic,),) = fetch(traced.url, "SELECT DISTINCT topic FROM outbox")
    return str(topic)


def value_of_outbox(traced: Traced) -> bytes:
    ((value,),) = fetch(traced.url, "SELECT value FROM outbox")
    return bytes(value)


@pytest.mark.parametrize("trace", [UNSAMPLED, None])
async def test_without_a_sampled_trace_the_header_is_passed_on(
    traced: Traced, trace: str | None
) -> None:
    await traced.apply(in_trace(completed("ada"), trace))
    (headers,) = traced.sent()
    assert headers.get("traceparent") == trace
    assert traced.span("process exercises").links == ()
    assert not traced.spans("create " + unlocked(traced))


async def test_a_sampler_that_wants_nothing_breaks_no_trace(
    traced: Traced, named: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    trace = traceparent()
    silent = Tracing(named.settings(), SimpleSpanProcessor(traced.exporter))
    async with projection(named.settings(), silent) as parts:
        await parts.apply(records(in_trace(completed("ada"), trace)))
    assert traced.exporter.get_finished_spans() == ()
    assert [headers["traceparent"] for headers in traced.sent()] == [trace]


async def test_links_are_bounded_and_go_to_sampled_traces(traced: Traced) -> None:
    lost = [in_trace(completed("ada"), UNSAMPLED) for _ in range(20)]
    traces = [traceparent() for _ in range(150)]
    await traced.apply(*lost, *(in_trace(completed("ada"), trace) for trace in traces))
    batch = traced.span("process exercises")
    assert [place(link.context) for link in batch.links] == [*map(middle, traces[:128])]
    assert batch.dropped_links == 0
    offsets = [(link.attributes or {})["messaging.kafka.offset"] for link in batch.links]
    assert offsets == list(range(20, 148))


async def test_unlocks_beyond_the_bound_keep_the_trace_of_their_record(traced: Traced) -> None:
    traces = {f"learner-{n}": traceparent() for n in range(150)}
    await traced.apply(*(in_trace(completed(name), trace) for name, trace in traces.items()))
    created = traced.spans("create " + unlocked(traced))
    sent = [headers["traceparent"] for headers in traced.sent()]
    assert [place(span.parent) for span in created] == [*map(middle, traces.values())][:128]
    assert sent[:128] == [f"00-{place(span.context)}-01" for span in created]
    assert sent[128:] == [*traces.values()][128:]


async def test_a_dead_letter_keeps_the_header_that_it_came_with(traced: Traced) -> None:
    trace = traceparent()
    await traced.apply(Wire(b"ada", b"{", (*ENVELOPE, ("traceparent", trace.encode()))))
    (headers,) = traced.sent()
    assert headers["traceparent"] == trace


async def test_a_batch_that_fails_says_why_and_unlocks_nothing(traced: Traced) -> None:
    """The unlock's span is that of the try that was committed."""
    trace = traceparent()
    record = in_trace(completed("ada"), trace)
    with psycopg.connect(traced.url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE serialization_failure USING MESSAGE = 'ada'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON outbox EXECUTE FUNCTION refuse()"
        )
        with pytest.raises(TransientError):
            await traced.apply(record)
        failed = traced.span("process exercises")
        assert failed.status.status_code is StatusCode.ERROR
        assert attributes(failed)["error.type"] == "SerializationFailure"
        assert (failed.status.description, failed.events) == (None, ())
        assert [span.name for span in traced.exporter.get_finished_spans()] == [
            "decode", "load", "fold", failed.name
        ]  # fmt: skip
        connection.execute("DROP TRIGGER refuse ON outbox")
    traced.exporter.clear()
    await traced.apply(record)
    assert traced.span("process exercises").status.status_code is StatusCode.UNSET
    (headers,) = traced.sent()
    created = traced.span("create " + unlocked(traced))
    assert headers["traceparent"] == f"00-{place(created.context)}-01"


async def test_a_dead_letter_of_a_command_has_a_span(traced: Traced) -> None:
    await traced.parts.commands.handle(Record(b"ada", b"", ENVELOPE, topic="commands"))
    spans = traced.exporter.get_finished_spans()
    assert [(span.name, span.parent) for span in spans] == [("dead_letter", None)]


async def test_no_span_holds_what_a_learner_is_called_or_did(traced: Traced) -> None:
    event = completed("a-name-to-hide", exercise_id="secret-exercise", topic="secret-topic")
    await traced.apply(in_trace(event, traceparent()), Wire(b"a-name-to-hide", b"secret", ENVELOPE))
    told_all = "".join(span.to_json() for span in traced.exporter.get_finished_spans())
    assert "process exercises" in told_all
    assert "a-name-to-hide" not in told_all
    assert "secret" not in told_all


async def test_a_trace_goes_through_worker_kafka_and_collector(deployment: Deployment) -> None:
    traces = [traceparent() for _ in range(3)]
    with collecting() as collector:
        async with deployment.worker(TRACING_ENDPOINT=collector.endpoint) as worker:
            await deployment.publish(
                *(in_trace(completed(f"learner-{n}"), trace) for n, trace in enumerate(traces))
            )
            found = await deployment.kafka.read(deployment.unlocked, 3)
            await wait_until(lambda: published(deployment), "the outbox is empty")
            assert await worker.terminate() == 0
    created = {
        span.span_id.hex(): span
        for span in collector.spans
        if span.name == f"create {deployment.unlocked}"
    }
    parents = set()
    for record in found:
        _, trace_id, span_id, flags = dict(record.headers)["traceparent"].decode().split("-")
        assert flags == "01"
        assert created[span_id].trace_id.hex() == trace_id
        parents.add(f"00-{trace_id}-{created[span_id].parent_span_id.hex()}-01")
    assert parents == set(traces)
    assert collector.user_agents == {USER_AGENT}
    sends = [span for span in collector.spans if span.name == f"send {deployment.unlocked}"]
    assert {link.span_id.hex() for span in sends for link in span.links} == created.keys()
    assert sum(number(span, "messaging.batch.message_count") for span in sends) == 3
    assert {span.kind for span in sends} == {span.SPAN_KIND_CLIENT for span in sends}


async def published(deployment: Deployment) -> bool:
    return fetch(deployment.database.owner_url, "SELECT count(*) FROM outbox") == [(0,)]


def number(span: Any, name: str) -> int:
    return int(next(each.value.int_value for each in span.attributes if each.key == name))


async def test_a_collector_that_is_away_holds_up_nothing(deployment: Deployment) -> None:
    endpoint = f"http://{LOOPBACK}:{free_port()}"
    async with deployment.worker(TRACING_ENDPOINT=endpoint) as worker:
        await deployment.publish(in_trace(completed("ada"), traceparent()))
        await deployment.kafka.read(deployment.unlocked, 1)
        await wait_until(lambda: published(deployment), "the outbox is empty")
        assert await worker.terminate() == 0
    assert "exporting spans batch" in worker.said()


async def test_a_collector_that_never_answers_holds_up_no_stop(named: Deployment) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        endpoint = f"http://{LOOPBACK}:{silent.getsockname()[1]}"
        tracing = Tracing.to_collector(named.settings(), endpoint)
        with tracing.batch(1):
            pass
        with capture_logs() as logged:
            await tracing.on_stop()
    assert [entry["event"] for entry in logged] == ["spans_abandoned"]


async def test_a_send_that_fails_is_told_by_its_span(deployment: Deployment) -> None:
    exporter = InMemorySpanExporter()
    settings = deployment.settings()
    worker = Worker(settings, Tracing(settings, SimpleSpanProcessor(exporter)))
    headers = [("traceparent", b"\xff")]
    large = OutboxRecord(deployment.dead_letters, b"ada", b"x" * 5_000_000, headers)
    async with connect(worker.engine) as connection:
        small = OutboxRecord(deployment.unlocked, b"ada", b"", [])
        await save(connection, Changes(()), [large, small])
        await connection.commit()
    await worker.relay.start()
    await deployment.kafka.read(deployment.unlocked, 1)
    await worker.relay.stop()
    await worker.engine.dispose()
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind, span.links) == ("send", SpanKind.CLIENT, ())
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.batch.message_count": 2,
        "error.type": "MessageSizeTooLargeError",
    }


@pytest.mark.parametrize("endpoint", [None, "http://collector.test:4318"])
def test_opentelemetry_is_imported_only_where_tracing_is_on(
    named: Deployment, endpoint: str | None
) -> None:
    program = (
        "import sys; from progress_worker.app import create_app;"
        " from progress_worker.settings.worker import load_settings; create_app(load_settings());"
        " print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    variables = named.environment(**({} if endpoint is None else {"TRACING_ENDPOINT": endpoint}))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=True,
    )
    assert (done.stdout == "[]\n") is (endpoint is None)


def test_without_the_extra_the_worker_says_what_is_missing(named: Deployment) -> None:
    program = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; sys.argv[1:] = ['worker'];"
        " from progress_worker.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(named.environment(TRACING_ENDPOINT="http://collector.test:4318")),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "PROGRESS_TRACING_ENDPOINT needs the extra `tracing`: opentelemetry.sdk" in done.stderr
