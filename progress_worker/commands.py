"""The progress-commands agent's work: what a command asks for, done until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import faust
from pydantic import ValidationError

from progress_worker.errors import PoisonError, Reason
from progress_worker.events.cloudevents import Headers, read_envelope
from progress_worker.events.models import RECALCULATION_REQUESTED, RecalculationRequested
from progress_worker.ingest.messages import DeadLetter, Record
from progress_worker.ingest.projector import Projector
from progress_worker.ingest.recalculation import Recalculation
from progress_worker.retry import RetryPolicy


@dataclass(slots=True)
class CommandRecord:
    """A record of the commands topic; `timestamp` in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class CommandHandler:
    """Carries commands out; a command that can never be is dead-lettered."""

    def __init__(
        self,
        recalculation: Recalculation,
        projector: Projector,
        retry: RetryPolicy,
        fail: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        """`fail` stops the process for the reason that it is given."""
        self._recalculation = recalculation
        self._projector = projector
        self._retry = retry
        self._fail = fail

    async def consume(self, stream: faust.StreamT[bytes]) -> None:
        """Handle every event of a Faust stream of raw values.

        Faust acknowledges an event whose agent raises. So what cannot be handled stops the
        process, and the event stays in hand until then.
        """
        async for event in stream.events():
            try:
                await self.handle(_record(event.message))
            except Exception as error:
                await self._fail(error)
                await asyncio.Event().wait()

    async def handle(self, record: Record) -> None:
        """Carry one command out, however long its dependencies are away. Raises FatalError."""
        try:
            command = _parse(record)
            action = partial(self._recalculation.recalculate, command.user_id, command.topic)
            await self._retry.run("recalculation", action)
        except PoisonError as error:
            letters = [DeadLetter(record, error)]
            await self._retry.run("commands", partial(self._projector.dead_letter, letters))


def _parse(record: Record) -> RecalculationRequested:
    if not record.value:
        raise PoisonError(Reason.EMPTY_VALUE, "the value is empty")
    envelope = read_envelope(record.headers, record.value, RECALCULATION_REQUESTED)
    try:
        command = RecalculationRequested.model_validate_json(envelope.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the data"
        reason = Reason.INVALID_JSON if first["type"] == "json_invalid" else Reason.SCHEMA_VIOLATION
        raise PoisonError(reason, f"{field}: {first['type']}") from None
    if record.key is not None and record.key != command.user_id.encode():
        raise PoisonError(Reason.KEY_MISMATCH, "the record key is not user_id")
    return command


def _record(message: faust.types.Message) -> CommandRecord:
    headers = message.headers or []
    return CommandRecord(
        message.topic,
        message.partition,
        message.offset,
        int(message.timestamp * 1000),
        message.key,
        message.value,
        [*(headers.items() if isinstance(headers, Mapping) else headers)],
    )
