"""Spans of batches, unlocks and sends, by OpenTelemetry's conventions for messaging.

Imported only if tracing is on, so that others do not need its packages. Spans wait in a bounded
queue for the thread that exports them. Spans that do not fit, or that cannot be delivered, are
dropped, and the log says so. The worker waits for the export only at its end, for a few seconds. No
span holds a key, a value or the text of an error, which may quote one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Final, NamedTuple, Self

import structlog
from mode import Service
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from progress_worker import USER_AGENT, __version__
from progress_worker.settings.worker import Settings
from progress_worker.storage.write.outbox import OutboxRecord

_log = structlog.get_logger()

#: The most links of one span. The SDK keeps this many.
_MAX_LINKS: Final = 128
#: The most spans of created records in one transaction. One costs as much as two events.
_MAX_CREATED: Final = 128
_EXPORT_SECONDS: Final = 10.0
_FLUSH_SECONDS: Final = 3.0

_TRACEPARENT: Final = "traceparent"
_ODD: Final = frozenset("13579bdf")
_w3c: Final = TraceContextTextMapPropagator()

#: The spans of the records that a transaction has written but not committed yet.
_uncommitted: ContextVar[Sequence[Span]] = ContextVar("uncommitted", default=())


class TraceOrigin(NamedTuple):
    """The origin of a trace: its `traceparent`, and the record that carried it."""

    traceparent: str
    partition: int
    offset: int


class Tracing(Service):
    """Makes the worker's spans. Starts and stops with the worker, and flushes at the stop."""

    def __init__(self, settings: Settings, processor: SpanProcessor) -> None:
        """Hand every span that ends to the processor."""
        super().__init__()
        self._topic = settings.completed_topic
        self._group = settings.consumer_group
        self._provider = TracerProvider(resource=_resource(settings), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("progress_worker", __version__)

    @classmethod
    def to_collector(cls, settings: Settings, endpoint: str) -> Self:
        """Export by OTLP over HTTP."""
        exporter = OTLPSpanExporter(
            f"{endpoint.rstrip('/')}/v1/traces",
            headers={"User-Agent": USER_AGENT},
            timeout=_EXPORT_SECONDS,
        )
        return cls(settings, BatchSpanProcessor(exporter))

    async def on_stop(self) -> None:
        """Export the waiting spans, within a time limit."""
        # An export cannot be cut short. So it runs in a thread for which the process does not wait.
        flush = threading.Thread(target=self._provider.shutdown, daemon=True)
        flush.start()
        await asyncio.to_thread(flush.join, _FLUSH_SECONDS)
        if flush.is_alive():
            _log.warning("spans_abandoned")

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """The span of a batch. Spans that are made within it become its children."""
        attributes = _messaging("process", self._topic) | {
            "messaging.consumer.group.name": self._group,
            "messaging.batch.message_count": count,
        }
        with self._span(f"process {self._topic}", SpanKind.CONSUMER, attributes):
            yield

    def link(self, origins: Iterable[TraceOrigin]) -> None:
        """Link the current span to the sampled traces, up to the limit of links."""
        span = trace.get_current_span()
        found = ((_sampled(origin.traceparent), origin) for origin in origins)
        sampled = ((context, origin) for context, origin in found if context is not None)
        for context, (_, partition, offset) in islice(sampled, _MAX_LINKS):
            attributes: dict[str, AttributeValue] = {
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": offset,
            }
            span.add_link(context, attributes)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """The span of a step."""
        with self._span(name, SpanKind.INTERNAL, {}):
            yield

    def stepped(
        self, name: str, seconds: float, attributes: Mapping[str, AttributeValue] | None = None
    ) -> None:
        """Make the span of a step of the current batch that has just ended."""
        end = time.time_ns()
        start = end - int(seconds * 1e9)
        self._tracer.start_span(name, attributes=attributes, start_time=start).end(end)

    @contextmanager
    def database_commit(self) -> Iterator[None]:
        """The span of the commit of a transaction.

        If it succeeds, the spans of the last `create` end.
        """
        attributes = {"db.system.name": "postgresql", "db.operation.name": "COMMIT"}
        with self._span("COMMIT", SpanKind.CLIENT, attributes):
            yield
        for span in _uncommitted.get():
            span.end()
        _uncommitted.set(())

    def create(self, records: Iterable[OutboxRecord]) -> list[OutboxRecord]:
        """The records. Each that belongs to a sampled trace gets a span of its own in that trace.

        The span becomes the record's `traceparent`. It ends with the next commit, and is never
        exported without one. Beyond the limit of spans, records keep the `traceparent` they have.
        """
        spans: list[Span] = []
        created = []
        for record in records:
            span = self._creation(record) if len(spans) < _MAX_CREATED else None
            if span is None:
                created.append(record)
            else:
                spans.append(span)
                created.append(_within(span, record))
        _uncommitted.set(spans)
        return created

    @contextmanager
    def send(self, records: Sequence[OutboxRecord]) -> Iterator[None]:
        """The span of sending records to Kafka, linked to the traces that they belong to."""
        topics = {record.topic for record in records}
        topic = topics.pop() if len(topics) == 1 else None
        attributes = _messaging("send", topic) | {"messaging.batch.message_count": len(records)}
        found = (_sampled(_content(record, _TRACEPARENT)) for record in records)
        sampled = (context for context in found if context is not None)
        links = [Link(context) for context in islice(sampled, _MAX_LINKS)]
        name = f"send {topic}" if topic else "send"
        with self._span(name, SpanKind.CLIENT, attributes, links):
            yield

    def failed(self, error: BaseException) -> None:
        """Mark the current span as failed by an error that is handled within it."""
        _fail(trace.get_current_span(), error)

    def _creation(self, record: OutboxRecord) -> Span | None:
        """A span in the record's trace. None if the trace or the operator's sampler wants none."""
        parent = _sampled(_content(record, _TRACEPARENT))
        if parent is None:
            return None
        batch = trace.get_current_span().get_span_context()
        span = self._tracer.start_span(
            f"create {record.topic}",
            trace.set_span_in_context(NonRecordingSpan(parent)),
            SpanKind.PRODUCER,
            _messaging("create", record.topic)
            | {
                "messaging.message.id": _content(record, "ce_id") or "",
                "messaging.message.body.size": len(record.value or b""),
            },
            [Link(batch)] if batch.is_valid else [],
        )
        return span if span.is_recording() else None

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[Link] = (),
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                _fail(span, error.__cause__ or error)
                raise


def _fail(span: Span, error: BaseException) -> None:
    """Mark the span as failed, with the error's class but not its text, which may quote values."""
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)


def _resource(settings: Settings) -> Resource:
    """The source of the spans. OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME take precedence."""
    ours = {
        "service.name": "progress-worker",
        "service.version": __version__,
        "service.instance.id": settings.instance,
    }
    return Resource.create(ours).merge(OTELResourceDetector().detect())


def _messaging(operation: str, topic: str | None) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }
    return attributes | ({"messaging.destination.name": topic} if topic else {})


def _content(record: OutboxRecord, header: str) -> str | None:
    """The header's content. It may be any bytes, since dead letters keep the original headers."""
    found = next((content for name, content in record.headers if name == header), None)
    return None if found is None else found.decode("latin-1")


def _within(span: Span, record: OutboxRecord) -> OutboxRecord:
    """The record with the span as its `traceparent`."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier, trace.set_span_in_context(span))
    headers = [
        (name, carrier[_TRACEPARENT].encode() if name == _TRACEPARENT else content)
        for name, content in record.headers
    ]
    return record._replace(headers=headers)


def _sampled(traceparent: str | None) -> SpanContext | None:
    """The span that it names. None if it names none, or if the trace is not sampled."""
    # Most are not sampled. Their last digit says so, which is faster than parsing them.
    if not traceparent or traceparent[-1] not in _ODD:
        return None
    context = trace.get_current_span(_w3c.extract({_TRACEPARENT: traceparent}, Context()))
    found = context.get_span_context()
    return found if found.trace_flags.sampled else None
