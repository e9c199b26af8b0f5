"""Decodes records, and applies them to Postgres as one transaction.

`commit` blocks until the transaction is committed. Records of one learner are applied in the order
in which they are given; applying a record again changes nothing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.reducer import Outcome
from progress_worker.errors import LearnerChangedError, PoisonError, ProgressError
from progress_worker.ingest.batch_steps import (
    BatchDecoded,
    BatchFolded,
    BatchSaved,
    CommitTransaction,
    LearnersLoaded,
)
from progress_worker.ingest.decode import Decoder
from progress_worker.ingest.folding import Arrival, Fold, fold
from progress_worker.outbox.letters import letters_kept
from progress_worker.outbox.messages import DeadLetter, Messages, Record
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import batches
from progress_worker.storage.write.cache import LearnerCache
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.expiries import Expiries
from progress_worker.storage.write.saving import save
from progress_worker.telemetry.observer import Observer


class Projector:
    """Turns records into committed progress."""

    def __init__(
        self,
        engine: AsyncEngine,
        books: RuleBooks,
        decoder: Decoder,
        messages: Messages,
        observer: Observer,
        *,
        outbox_filled: asyncio.Event,
        time_limit_seconds: float,
        cache: LearnerCache,
        expiries: Expiries | None,
        erasures: Erasures,
        emit_level_changes: bool = False,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """`outbox_filled` is set when a batch has committed records for the outbox."""
        self._engine = engine
        self._books = books
        self._decoder = decoder
        self._messages = messages
        self._observer = observer
        self._outbox_filled = outbox_filled
        self._time_limit = time_limit_seconds
        self._emit_level_changes = emit_level_changes
        self._cache = cache
        self._expiries = expiries
        self._erasures = erasures
        self._clock = clock

    def decode(self, records: Sequence[Record]) -> tuple[list[Arrival], list[DeadLetter]]:
        """What the records say, and a dead letter for each that cannot be read."""
        started = time.perf_counter()
        now = self._clock()
        decode = self._decoder.decode
        arrivals, letters = [], []
        for record in records:
            try:
                decoded = decode(record.key, record.value, record.headers, now)
                arrivals.append((record, decoded))
            except PoisonError as error:
                letters.append(DeadLetter(record, error))
        seconds = time.perf_counter() - started
        self._observer.done(BatchDecoded(arrivals, letters, seconds))
        return arrivals, letters

    async def commit(self, arrivals: Sequence[Arrival], letters: Sequence[DeadLetter]) -> None:
        """Commit all that the arrivals change, and the dead letters, in one transaction.

        Raises TransientError when the same may succeed later, TooSlowError when fewer arrivals may,
        PoisonError when Postgres refuses one of them for good, and FatalError when no waiting
        helps.
        """
        try:
            folded = await self._write(arrivals, letters)
        except LearnerChangedError:
            # The learners of the batch have left the cache, and the others are as they were.
            raise
        except ProgressError:
            # A Postgres that was away may come back with less than the cache remembers.
            self._cache.clear()
            raise
        if folded.messages:
            self._outbox_filled.set()

    async def _write(self, arrivals: Sequence[Arrival], letters: Sequence[DeadLetter]) -> Fold:
        completions = [decoded.completion for _, decoded in arrivals]
        async with connect_for(self._engine, self._time_limit) as connection:
            started = time.perf_counter()
            loaded = await batches.load(
                connection, self._books, self._cache, self._erasures, completions
            )
            self._observer.done(LearnersLoaded(time.perf_counter() - started))
            return await self._save(connection, arrivals, letters, loaded)

    async def _save(
        self,
        connection: Connection,
        arrivals: Sequence[Arrival],
        letters: Sequence[DeadLetter],
        loaded: batches.Loaded,
    ) -> Fold:
        started = time.perf_counter()
        now = self._clock()
        folded = fold(
            self._books,
            self._messages,
            arrivals,
            loaded,
            now,
            level_changes=self._emit_level_changes,
        )
        seconds = time.perf_counter() - started
        self._observer.done(BatchFolded(folded, len(loaded.learners), seconds))
        kept = await letters_kept(connection, self._erasures, letters)
        folded.letters += kept
        if len(kept) < len(letters):
            folded.outcomes[Outcome.ERASED] += len(letters) - len(kept)
        folded.messages += [self._messages.dead_letter(letter, now) for letter in folded.letters]
        started = time.perf_counter()
        await save(connection, folded.changes, folded.messages, self._expiries, self._erasures)
        with self._observer.around(CommitTransaction()):
            await connection.commit()
        self._cache.put(loaded.learners.values())
        self._observer.done(BatchSaved(arrivals, folded, time.perf_counter() - started))
        return folded
