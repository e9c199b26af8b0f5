"""Carries out the commands of the topic progress-commands, and retries until each is done."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from operator import attrgetter
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import faust
from faust.types import TP

from progress_worker.commands.decode import erasure_of, excuse_of, preference_of
from progress_worker.commands.erasing import Erasing
from progress_worker.commands.excusing import Excusing
from progress_worker.commands.preferring import Preferring
from progress_worker.commands.recalculation import Recalculation
from progress_worker.errors import (
    LearnerChangedError,
    LockedError,
    PoisonError,
    Reason,
    TooSlowError,
)
from progress_worker.events.cloudevents import Envelope, Headers
from progress_worker.events.commands import (
    DAYS_EXCUSED,
    ERASURE_REQUESTED,
    PREFERENCES_SET,
    RECALCULATION_REQUESTED,
    LearnerErasureRequested,
    LearnerPreferencesSet,
    RecalculationRequested,
    StreakDaysExcused,
)
from progress_worker.events.decoding import TopicReader, decoder_of
from progress_worker.outbox.dead_lettering import DeadLetterWriter
from progress_worker.outbox.messages import DeadLetter, Record
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.runtime.service import cancel

#: The most commands that may be read and not yet done.
_MAX_IN_HAND: Final = 1_000
_MAX_TRIES: Final = 10


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


@dataclass(slots=True, eq=False)
class _InHand:
    """An event that is being handled, or is done and waits until those before it are done."""

    event: faust.EventT[bytes]
    done: bool = False


class Command(NamedTuple):
    """What a record asks for: the learner, the part of the worker that does it, and the call."""

    user_id: str
    part: str
    carry_out: Callable[[], Awaitable[object]]


class _Tries:
    """Tries one command, once for each call, and gives up after a number of failures.

    A failure counts only while Postgres answers, and only if the try took too long or another
    transaction was in its way. Raises what the command raises, and PoisonError after the last try.
    """

    def __init__(
        self,
        recalculation: Recalculation,
        connections: asyncio.Semaphore,
        command: Command,
    ) -> None:
        """`connections` limits how many tries run at the same time."""
        self._recalculation = recalculation
        self._connections = connections
        self._command = command
        self._failed = 0

    async def __call__(self) -> None:
        """Try once."""
        async with self._connections:
            try:
                await self._command.carry_out()
            except (TooSlowError, LearnerChangedError, LockedError) as error:
                await self._recalculation.check_database()
                self._failed += 1
                if self._failed == _MAX_TRIES:
                    message = f"given up after {self._failed} tries, the last one: {error}"
                    raise PoisonError(Reason.NOT_FINISHED, message) from error
                raise


class CommandHandler:
    """Carries commands out, several at once. One that can never succeed is dead-lettered.

    The commands of one learner are carried out one after the other, in their order. A command is
    acknowledged once it and all before it in its partition are carried out or dead-lettered.
    """

    def __init__(
        self,
        recalculation: Recalculation,
        excusing: Excusing,
        preferring: Preferring,
        erasing: Erasing,
        dead_letters: DeadLetterWriter,
        store_position: Callable[[str, int, int], Awaitable[None]],
        retry: RetryPolicy,
        fail: Callable[[BaseException], Awaitable[None]],
        *,
        at_once: int,
        drain_timeout_seconds: float,
        max_future_seconds: float,
    ) -> None:
        """`store_position` stores how far a partition is applied: its topic, number and offset.

        `fail` stops the process; its argument is the reason.

        A command that was issued further in the future than `max_future_seconds` is refused.
        `at_once` is how many commands use a connection to Postgres at the same time.
        """
        self._recalculation = recalculation
        self._excusing = excusing
        self._preferring = preferring
        self._erasing = erasing
        self._max_future_seconds = max_future_seconds
        self._dead_letters = dead_letters
        self._store_position = store_position
        self._retry = retry
        self._fail = fail
        self._drain_timeout = drain_timeout_seconds
        self._connections = asyncio.Semaphore(at_once)
        self._room = asyncio.Semaphore(_MAX_IN_HAND)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._in_hand: dict[TP, deque[_InHand]] = defaultdict(deque)
        self._acknowledging: dict[TP, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._reader = TopicReader(
            {
                RECALCULATION_REQUESTED: decoder_of(RecalculationRequested, self._recalculate),
                DAYS_EXCUSED: decoder_of(StreakDaysExcused, self._excuse),
                PREFERENCES_SET: decoder_of(LearnerPreferencesSet, self._prefer),
                ERASURE_REQUESTED: decoder_of(LearnerErasureRequested, self._erase),
            },
            bare=RECALCULATION_REQUESTED,
        )

    async def consume(self, stream: faust.StreamT[bytes]) -> None:
        """Handle every event of a Faust stream of raw values.

        Faust itself would acknowledge an event whose agent raises or is cancelled.
        """
        unacknowledged = stream.noack()  # type: ignore[attr-defined]  # missing in the interface
        async for event in unacknowledged.events():
            await self._room.acquire()
            if not self._stopping:
                in_hand = _InHand(event)
                self._in_hand[event.message.tp].append(in_hand)
                task = asyncio.create_task(self._finish(unacknowledged, in_hand))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Wait for the commands in hand for the drain timeout, then abandon them."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._drain_timeout)
        await cancel(self._tasks)

    async def _finish(self, stream: faust.StreamT[bytes], in_hand: _InHand) -> None:
        """Handle an event, then acknowledge every event before the first that is not done.

        An event that cannot be handled stops the process and is not acknowledged.
        """
        partition = in_hand.event.message.tp
        try:
            await self.handle(_record(in_hand.event.message))
            in_hand.done = True
            self._room.release()
            async with self._acknowledging[partition]:
                await self._acknowledge(stream, partition)
        except Exception as error:
            await self._fail(error)

    async def _acknowledge(self, stream: faust.StreamT[bytes], partition: TP) -> None:
        """Acknowledge what is done, once Postgres knows it. Raises FatalError.

        Faust commits the offset after the event that was acknowledged last.
        """
        waiting = self._in_hand[partition]
        done = [each.event for each in takewhile(attrgetter("done"), waiting)]
        if done:
            after = done[-1].message.offset + 1
            store = partial(self._store_position, partition.topic, partition.partition, after)
            async with self._connections:
                await self._retry.run("commands", store)
        for event in done:
            waiting.popleft()
            await stream.ack(event)

    async def handle(self, record: Record) -> None:
        """Carry one command out; waits while a dependency is away. Raises FatalError."""
        try:
            command = self._reader.read(
                record.key, record.value, record.headers, dt.datetime.now(dt.UTC)
            )
            async with self._turns.setdefault(command.user_id, asyncio.Lock()):
                tries = _Tries(self._recalculation, self._connections, command)
                await self._retry.run(command.part, tries)
        except PoisonError as error:
            letter = DeadLetter(record, error)
            await self._retry.run("commands", partial(self._dead_letters.write, letter))

    def _recalculate(
        self, event: RecalculationRequested, _envelope: Envelope, _now: dt.datetime
    ) -> Command:
        recalculate = partial(self._recalculation.recalculate, event.user_id, event.topic)
        return Command(event.user_id, "recalculation", recalculate)

    def _excuse(self, event: StreakDaysExcused, _envelope: Envelope, now: dt.datetime) -> Command:
        excuse = excuse_of(event, now, self._max_future_seconds)
        return Command(event.user_id, "excuse", partial(self._excusing.excuse, excuse))

    def _prefer(
        self, event: LearnerPreferencesSet, _envelope: Envelope, now: dt.datetime
    ) -> Command:
        preference = preference_of(event, now, self._max_future_seconds)
        prefer = partial(self._preferring.prefer, event.user_id, preference)
        return Command(event.user_id, "preference", prefer)

    def _erase(
        self, event: LearnerErasureRequested, _envelope: Envelope, now: dt.datetime
    ) -> Command:
        erasure = erasure_of(event, now, self._max_future_seconds)
        return Command(event.user_id, "erasure", partial(self._erasing.erase, erasure))


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
