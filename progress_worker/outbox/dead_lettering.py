"""Commits a dead letter that belongs to no batch."""

from __future__ import annotations

import asyncio
import datetime as dt

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.outbox.letters import letters_kept
from progress_worker.outbox.messages import DeadLetter, Messages
from progress_worker.outbox.publish_steps import DeadLetterWritten, WriteDeadLetter
from progress_worker.storage.database import connect_for
from progress_worker.storage.write import outbox
from progress_worker.storage.write.erasures import Erasures
from progress_worker.telemetry.observer import Observer


class DeadLetterWriter:
    """Writes dead letters to the outbox, each in a transaction of its own."""

    def __init__(
        self,
        engine: AsyncEngine,
        messages: Messages,
        observer: Observer,
        erasures: Erasures,
        *,
        outbox_filled: asyncio.Event,
        time_limit_seconds: float,
    ) -> None:
        """`messages` names the topic; `outbox_filled` is set once a letter is committed."""
        self._engine = engine
        self._messages = messages
        self._observer = observer
        self._erasures = erasures
        self._outbox_filled = outbox_filled
        self._time_limit = time_limit_seconds

    async def write(self, letter: DeadLetter) -> None:
        """Commit the letter, unless its learner was erased after the record was written.

        Raises TransientError, PoisonError and FatalError as a batch does.
        """
        record = self._messages.dead_letter(letter, dt.datetime.now(dt.UTC))
        with self._observer.around(WriteDeadLetter()):
            async with connect_for(self._engine, self._time_limit) as connection:
                if not await letters_kept(connection, self._erasures, [letter]):
                    return
                await outbox.add(connection, [record])
                await connection.commit()
        self._outbox_filled.set()
        self._observer.done(DeadLetterWritten(letter))
