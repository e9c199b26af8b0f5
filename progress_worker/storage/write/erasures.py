"""Who was erased, as hashes with a secret, and up to when.

The barrier of an erasure is the time that it was requested. What a learner did up to then is never
stored again, in whatever order it arrives. A learner who exists remembers the barrier in the row,
so the list is read only for learners who begin.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from progress_worker import __version__
from progress_worker.domain.state import LearnerState
from progress_worker.errors import FatalError, LearnerChangedError
from progress_worker.settings.complaints import PREFIX
from progress_worker.storage.arrays import array
from progress_worker.storage.database import Connection

_PEPPER: Final = f"{PREFIX}ERASURE_PEPPER"
_CHECKED: Final = "check"
_BARRIERS: Final = "SELECT user_hash, barrier FROM erasure WHERE user_hash = ANY(%s::bytea[])"
_ADD: Final = """
INSERT INTO erasure (user_hash, barrier, erasure_id) VALUES (%s, %s, %s)
ON CONFLICT (user_hash) DO UPDATE SET
    barrier = excluded.barrier, erasure_id = excluded.erasure_id, erased_at = now()
WHERE erasure.barrier < excluded.barrier
"""
_RECEIPT: Final = """
INSERT INTO erasure_receipt (erasure_id, barrier, release, deleted) VALUES (%s, %s, %s, %s)
"""
_IS_DONE: Final = "SELECT EXISTS (SELECT FROM erasure_receipt WHERE erasure_id = %s)"
_STORE_CHECK: Final = """
INSERT INTO erasure_pepper (digest) VALUES (%s) ON CONFLICT (id) DO NOTHING
"""
_CHECK: Final = "SELECT digest FROM erasure_pepper"


class Receipt(NamedTuple):
    """What an erasure deleted: how many rows of each table."""

    erasure_id: UUID
    barrier: dt.datetime
    deleted: Mapping[str, int]


class Erasures:
    """The list of erased learners. Without a pepper nobody can be erased, and nobody ever was."""

    def __init__(self, pepper: str | None) -> None:
        self._pepper = None if pepper is None else pepper.encode()

    @property
    def is_configured(self) -> bool:
        """Whether learners can be erased."""
        return self._pepper is not None

    def hash(self, user_id: str) -> bytes:
        """HMAC-SHA256 of the id with the pepper; only with a pepper."""
        if self._pepper is None:
            raise RuntimeError("there is no pepper")
        return hmac.digest(self._pepper, user_id.encode(), "sha256")

    async def check(self, connection: Connection) -> None:
        """Remember the pepper's digest, or compare it with the one that is remembered.

        The caller commits. Raises FatalError, with one sentence, for another pepper and for none
        where there was one, and psycopg.Error.
        """
        digest = None if self._pepper is None else self.hash(_CHECKED)
        if digest is not None:
            await connection.execute(_STORE_CHECK, [digest])
        row = await (await connection.execute(_CHECK)).fetchone()
        if row is not None and row[0] != digest:
            what = "is not set" if digest is None else "is another one"
            raise FatalError(
                f"{_PEPPER} {what}, and learners of this database may be erased with the former "
                "one: set that, or what they did before would count again."
            )

    async def barriers(
        self, connection: Connection, users: Collection[str]
    ) -> dict[str, dt.datetime]:
        """Up to when each of these learners is erased; those who are not are left out."""
        if self._pepper is None or not users:
            return {}
        by_hash = {self.hash(user_id): user_id for user_id in users}
        rows = await connection.execute(_BARRIERS, [array(by_hash)], binary=True)
        return {by_hash[user_hash]: barrier for user_hash, barrier in await rows.fetchall()}

    async def kept(
        self, connection: Connection, records: Sequence[tuple[bytes | None, float]]
    ) -> list[bool]:
        """Which records, by their keys and Kafka's timestamps in seconds, are of nobody erased.

        A record with the key of an erased learner may be kept if it is later than the barrier.
        """
        users = {key: _text(key) for key, _ in records if key}
        found = await self.barriers(connection, {user for user in users.values() if user})
        barriers = {key: found[user] for key, user in users.items() if user in found}
        return [
            key not in barriers or seconds > barriers[key].timestamp() for key, seconds in records
        ]

    async def recall(self, connection: Connection, learners: Iterable[LearnerState]) -> None:
        """Let those of the learners who are new remember up to when they are erased."""
        new = {state.user_id: state for state in learners if not state.version}
        for user_id, barrier in (await self.barriers(connection, new.keys())).items():
            new[user_id].erased_until = barrier

    async def confirm(self, connection: Connection, added: Iterable[LearnerState]) -> None:
        """Raise LearnerChangedError if a learner whose row was added was erased meanwhile.

        The row is locked by its insert: an erasure that committed before is seen now, and a later
        one waits for this transaction's end.
        """
        expected = {state.user_id: state.erased_until for state in added}
        found = await self.barriers(connection, expected.keys())
        if any(found.get(user_id) != barrier for user_id, barrier in expected.items()):
            raise LearnerChangedError("a learner of the batch was erased by another transaction")

    async def add(
        self, connection: Connection, user_id: str, barrier: dt.datetime, erasure_id: UUID
    ) -> None:
        """Put a learner on the list; the latest barrier counts. The caller commits."""
        await connection.execute(_ADD, [self.hash(user_id), barrier, erasure_id])


def _text(key: bytes) -> str | None:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


async def is_done(connection: Connection, erasure_id: UUID) -> bool:
    """Whether an erasure has a receipt."""
    row = await (await connection.execute(_IS_DONE, [erasure_id])).fetchone()
    return row is not None and bool(row[0])


async def write_receipt(connection: Connection, receipt: Receipt) -> None:
    """Store what was deleted, without the learner's id; the caller commits."""
    deleted = to_json(receipt.deleted).decode()
    await connection.execute(_RECEIPT, [receipt.erasure_id, receipt.barrier, __version__, deleted])
