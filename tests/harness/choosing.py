"""Preferences of some learners, sent among their events, and what must be stored of them then."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from progress_worker.generator.wire import Wire
from tests.harness.events import preferences
from tests.harness.storage import fetch

_SHARE = 0.3
_REVISIONS = 3


class _Chosen(NamedTuple):
    """How many records are sent before it, and what it says."""

    turn: int
    user_id: str
    revision: int
    gamification: str


class Choices:
    """Every revision of a learner is sent, in any order, and some again."""

    def __init__(self, users: Iterable[str], seed: int, count: int) -> None:
        """`count` records of events are sent in all."""
        rng = Random(seed)
        known = sorted(users)
        said = [
            _Chosen(rng.randrange(count), user_id, revision, rng.choice(("on", "quiet", "off")))
            for user_id in rng.sample(known, round(len(known) * _SHARE))
            for revision in range(_REVISIONS)
        ]
        said += [each._replace(turn=rng.randrange(count)) for each in said[::4]]
        self._waiting = deque(sorted(said))
        self._sent: dict[str, tuple[int, str]] = {}

    def due(self, sent: int) -> list[Wire]:
        """The commands whose turn has come after that many records."""
        return [
            preferences(each.user_id, each.revision, gamification=each.gamification)
            for each in self._waiting
            if each.turn <= sent
        ]

    def acknowledge(self, commands: int) -> None:
        """So many of those that were due are sent."""
        for _ in range(commands):
            each = self._waiting.popleft()
            before = self._sent.get(each.user_id, (-1, ""))
            self._sent[each.user_id] = max(before, (each.revision, each.gamification))

    def are_stored(self, url: str) -> bool:
        """Whether all that was sent is stored, whoever else has chosen something."""
        return self._sent.items() <= _found(url).items()

    def differences(self, url: str) -> list[str]:
        """Where a learner has other preferences than the highest revision, in either table."""
        found = _found(url)
        return [
            f"preference: {user_id}: {found.get(user_id)} and not {self._sent.get(user_id)}"
            for user_id in sorted(found.keys() | self._sent.keys())
            if found.get(user_id) != self._sent.get(user_id)
        ]


def _found(url: str) -> dict[str, tuple[int, str]]:
    return {
        user_id: (revision, gamification)
        for user_id, revision, gamification in fetch(
            url,
            "SELECT user_id, revision, p.gamification FROM learner_preference AS p"
            " JOIN learner AS l USING (user_id)"
            " WHERE coalesce(l.gamification, 'on') = p.gamification",
        )
    }
