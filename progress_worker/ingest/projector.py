"""Applies one batch of records to Postgres as one transaction.

`apply` blocks until the transaction is committed. It raises TransientError when the same batch may
succeed later, and FatalError when no waiting helps. A record that can never be applied is
dead-lettered in the transaction of its neighbours. Records of one learner are applied in the order
in which they are given; applying a record again changes nothing.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Outcome, Reducer, Unlock
from progress_worker.errors import PoisonError, ProgressError
from progress_worker.ingest.decode import Decoded, Decoder
from progress_worker.ingest.messages import DeadLetter, Messages, Record
from progress_worker.ingest.retention import refusal
from progress_worker.storage import learners, outbox
from progress_worker.storage.cache import LearnerCache
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.saving import Changes, save
from progress_worker.telemetry.metrics import Metrics

_log = structlog.get_logger()


class Arrival(NamedTuple):
    """A record and what it says."""

    record: Record
    decoded: Decoded


@dataclass(slots=True)
class Fold:
    """What a batch amounts to, before it is written."""

    changes: Changes
    unlocks: list[Unlock] = field(default_factory=list)
    messages: list[outbox.OutboxRecord] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    #: For each unlock, Kafka's timestamp (ms) of the record that led to it.
    unlocked_by: list[int] = field(default_factory=list)


class Projector:
    """Turns records into committed progress."""

    def __init__(
        self,
        engine: AsyncEngine,
        reducer: Reducer,
        decoder: Decoder,
        messages: Messages,
        metrics: Metrics,
        *,
        time_limit_seconds: float,
        cached_learners: int,
        emit_level_changes: bool = False,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._engine = engine
        self._reducer = reducer
        self._decoder = decoder
        self._messages = messages
        self._metrics = metrics
        self._time_limit = time_limit_seconds
        self._emit_level_changes = emit_level_changes
        self._cache = LearnerCache(cached_learners)
        self._clock = clock

    async def apply(self, records: Sequence[Record]) -> None:
        """Commit everything that the records change, and a dead letter for each that is broken."""
        started = time.perf_counter()
        arrivals, letters = self._decode(records)
        self._observe("decode", started)
        self._metrics.batch_events.observe(len(records))
        await self._commit(arrivals, letters)

    async def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Commit records that are known to be broken to the dead-letter topic's outbox."""
        await self._transact([], letters)

    def _decode(self, records: Sequence[Record]) -> tuple[list[Arrival], list[DeadLetter]]:
        now = self._clock()
        decode = self._decoder.decode
        arrivals, letters = [], []
        for record in records:
            try:
                decoded = decode(record.key, record.value, record.headers, now)
                arrivals.append(Arrival(record, decoded))
            except PoisonError as error:
                letters.append(DeadLetter(record, error))
        return arrivals, letters

    async def _commit(self, arrivals: Sequence[Arrival], letters: Sequence[DeadLetter]) -> None:
        """Commit the batch, or narrow a permanent failure down to the record that causes it."""
        try:
            await self._transact(arrivals, letters)
        except PoisonError as error:
            if len(arrivals) <= 1:
                refused = [DeadLetter(arrival.record, error) for arrival in arrivals]
                await self._transact([], [*letters, *refused])
                return
            middle = len(arrivals) // 2
            await self._commit(arrivals[:middle], letters)
            await self._commit(arrivals[middle:], [])

    async def _transact(self, arrivals: Sequence[Arrival], letters: Sequence[DeadLetter]) -> None:
        try:
            async with connect_for(self._engine, self._time_limit) as connection:
                fold = await self._write(connection, arrivals, letters)
        except ProgressError:
            # A Postgres that was away may come back with less than what is remembered.
            self._cache.clear()
            raise
        self._committed(arrivals, fold)

    async def _write(
        self, connection: Connection, arrivals: Sequence[Arrival], letters: Sequence[DeadLetter]
    ) -> Fold:
        started = time.perf_counter()
        completions = [arrival.decoded.completion for arrival in arrivals]
        loaded = await learners.load(connection, self._reducer, self._cache, completions)
        started = self._observe("load", started)
        fold = self._fold(arrivals, loaded)
        failed_at = self._clock()
        fold.letters += letters
        fold.messages += [self._messages.dead_letter(letter, failed_at) for letter in fold.letters]
        started = self._observe("fold", started)
        await save(connection, fold.changes)
        await outbox.add(connection, fold.messages)
        await self._settle(connection, loaded)
        self._observe("save", started)
        return fold

    async def _settle(self, connection: Connection, loaded: learners.Loaded) -> None:
        """Commit, and remember the learners as they are now."""
        await connection.commit()
        self._cache.put(loaded.learners.values())

    def _fold(self, arrivals: Sequence[Arrival], loaded: learners.Loaded) -> Fold:
        latest = dict(loaded.stored)
        decided: dict[learners.CompletionKey, Completion] = {}
        fold = Fold(Changes(()))
        for record, (completion, traceparent) in arrivals:
            key = completion.user_id, completion.event_id.int
            state = loaded.learners[completion.user_id]
            stored = latest.get(key)
            if stored is None and state.kept_from and (error := refusal(state, completion)):
                fold.letters.append(DeadLetter(record, error))
                continue
            effects = self._reducer.apply(state, completion, stored)
            fold.outcomes[effects.outcome] += 1
            if effects.outcome is Outcome.DUPLICATE:
                continue
            latest[key] = decided[key] = completion
            for unlock in effects.unlocks:
                fold.unlocks.append(unlock)
                fold.unlocked_by.append(record.timestamp)
                fold.messages.append(self._messages.unlocked(unlock, traceparent))
            if self._emit_level_changes:
                fold.messages += [
                    self._messages.level_changed(change, traceparent)
                    for change in effects.level_changes
                ]
        fold.changes = Changes(
            learners=[state for state in loaded.learners.values() if state.touched.changed],
            added=[decided[key] for key in decided.keys() - loaded.stored.keys()],
            revised=[decided[key] for key in decided.keys() & loaded.stored.keys()],
            unlocks=fold.unlocks,
        )
        return fold

    def _committed(self, arrivals: Sequence[Arrival], fold: Fold) -> None:
        now = self._clock().timestamp()
        metrics = self._metrics
        metrics.last_progress.set(now)
        for outcome, count in fold.outcomes.items():
            metrics.events.labels(outcome.value).inc(count)
        metrics.commit_latency.observe_all(
            [
                max(0.0, now - arrival.decoded.completion.completed_at.timestamp())
                for arrival in arrivals
            ]
        )
        for name, count in Counter(unlock.achievement.id for unlock in fold.unlocks).items():
            metrics.unlocks.labels(name).inc(count)
        metrics.unlock_commit_latency.observe_all(
            [max(0.0, now - timestamp / 1000) for timestamp in fold.unlocked_by]
        )
        metrics.events.labels("dead_lettered").inc(len(fold.letters))
        # One line for each reason and batch: a flood of broken records must not be one of the log.
        firsts = {letter.error.reason: letter for letter in reversed(fold.letters)}
        for reason, count in Counter(letter.error.reason for letter in fold.letters).items():
            record, error, _ = firsts[reason]
            metrics.dead_letters.labels(reason.value).inc(count)
            _log.warning(
                "dead_lettered",
                reason=reason.value,
                count=count,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                message=str(error),
            )

    def _observe(self, step: str, started: float) -> float:
        now = time.perf_counter()
        self._metrics.batch_seconds.labels(step).observe(now - started)
        return now
