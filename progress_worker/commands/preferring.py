"""Stores what a learner prefers: the whole record of the highest revision.

It is one transaction under the same version check as a batch, so it may be the learner's first
fact, beside a first completion on another worker. Nothing that is computed depends on it but when
a streak's warning is due: only a learner with gamification `on` is warned.
"""

from __future__ import annotations

import structlog

from progress_worker.commands.parts import CommandParts
from progress_worker.domain.preferences import Preference
from progress_worker.domain.revisions import supersedes
from progress_worker.storage.write.learners import load_streaks
from progress_worker.storage.write.preferences import load_preference, store_preference
from progress_worker.storage.write.saving import Changes, save

_log = structlog.get_logger()


class Preferring:
    """Stores preferences on request."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts

    async def prefer(self, user_id: str, preference: Preference) -> bool:
        """Return whether it counts: its revision is higher than the stored one.

        A preference that was issued before the learner was erased does not count.

        Raises TransientError, PoisonError and FatalError as a batch does.
        """
        books, erasures = self._parts.books, self._parts.erasures
        async with self._parts.open(user_id) as connection:
            # The version is read before the preference: one that was committed by then is seen,
            # and a later one makes the save fail.
            known = await load_streaks(connection, books, [user_id])
            state = known.get(user_id) or books.active.new_learner(user_id)
            await erasures.recall(connection, [state])
            if state.is_erased(preference.issued_at):
                return False
            stored = await load_preference(connection, user_id)
            if stored is not None and not supersedes(preference.revision, stored.revision):
                return False
            state.gamification = preference.gamification
            state.dirty.changed = state.dirty.expiry = True
            # The learner's row first, as everybody does: whoever erases the learner waits for it.
            await save(
                connection, Changes([state]), expiries=self._parts.expiries, erasures=erasures
            )
            await store_preference(connection, user_id, preference)
            await connection.commit()
        _log.info("preferences_set", boards=preference.boards, gamification=preference.gamification)
        return True
