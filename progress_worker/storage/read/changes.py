"""Which of many learners have changed since a version of theirs, read in one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from progress_worker.domain.preferences import Gamification
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import SkillLevel
from progress_worker.errors import TransientError
from progress_worker.storage.arrays import array
from progress_worker.storage.read.connections import ReadConnections
from progress_worker.storage.read.decoding import lines_of
from progress_worker.storage.read.rulebooks import ViewRuleBooks
from progress_worker.storage.read.statements import CHANGES

#: No learner has this version, so a learner who is known by it counts as changed.
ANY_VERSION: Final = -1
#: No row is newer than this version.
_NOTHING: Final = 2**63 - 1


class Watched(NamedTuple):
    """A learner, and the version that is known. What later saves wrote is wanted.

    With `since` None nothing of it is wanted, only the learner as they are now.
    """

    user_id: str
    known: int
    since: int | None


class UnlockRow(NamedTuple):
    """An unlock, and the learner's version that wrote it."""

    achievement_id: str
    occurrence: int
    unlocked_at: dt.datetime
    version: int


class LevelRow(NamedTuple):
    """A level's last change, and the learner's version that wrote it."""

    topic: str
    level: SkillLevel
    version: int


class Change(NamedTuple):
    """A learner as they are now, and what is newer than the version that was known.

    `first_version` is None for a learner of a release before 0006, who was never erased.
    """

    version: int
    first_version: int | None
    book: RuleBook
    gamification: Gamification
    exercises_completed: int
    time_spent_seconds: int
    unlocks: Sequence[UnlockRow]
    levels: Sequence[LevelRow]


class Changes(NamedTuple):
    """What was found: changed learners, and those who do not exist, by place in the question.

    `unreadable` says why changed learners were left out: their rows or their rule book could not be
    read.
    """

    changed: dict[int, Change]
    absent: set[int]
    unreadable: str | None


class ChangeReads:
    """Reads the changes of all watched learners in one round trip.

    Raises TransientError when Postgres does not answer in time.
    """

    def __init__(self, connections: ReadConnections, books: ViewRuleBooks) -> None:
        self._connections = connections
        self._books = books

    async def changes(self, watched: Sequence[Watched]) -> Changes:
        """Find who has changed. Another statement is only needed if a known learner is gone."""
        row = await self._find(watched)
        lines = _by_place(row)
        known = [place for place, each in enumerate(watched) if each.known > 0]
        present = row.found - sum(watched[place].known <= 0 for place in lines)
        gone: set[int] = set()
        if present < len(known):
            everybody = [Watched(watched[place].user_id, ANY_VERSION, None) for place in known]
            there = _by_place(await self._find(everybody))
            gone = {place for number, place in enumerate(known) if number not in there}
        unseen = {
            place for place, each in enumerate(watched) if each.known <= 0 and place not in lines
        }
        changed, unreadable = await self._decoded(lines)
        return Changes(changed, unseen | gone, unreadable)

    async def _find(self, watched: Sequence[Watched]) -> Any:
        return await self._connections.one(
            CHANGES,
            user_ids=array([each.user_id for each in watched]),
            known_versions=array([each.known for each in watched]),
            newer_than=array([_NOTHING if w.since is None else w.since for w in watched]),
        )

    async def _decoded(self, lines: dict[int, list[Any]]) -> tuple[dict[int, Change], str | None]:
        """The changes of learners whose rows and rule books can be read, and why others cannot."""
        books, unreadable = await self._read_books({line[2] for line in lines.values()})
        changed: dict[int, Change] = {}
        for place, line in lines.items():
            if line[2] not in books:
                continue
            try:
                changed[place] = _change(line, books[line[2]])
            except ValueError:  # as of an unlock at `infinity`
                unreadable = "The rows of a learner cannot be read."
        return changed, unreadable

    async def _read_books(
        self, versions: Iterable[int | None]
    ) -> tuple[dict[int | None, RuleBook], str | None]:
        books, unreadable = {}, None
        for version in versions:
            try:
                books[version] = await self._books.of(version)
            except TransientError as error:
                unreadable = str(error)
        return books, unreadable


def _by_place(row: Any) -> dict[int, list[Any]]:
    """The changed learners' lines without their first value, which is the place from 1 on."""
    return {number - 1: line for number, *line in lines_of(row.changes)}


def _change(line: Sequence[Any], book: RuleBook) -> Change:
    version, first_version, _, gamification, exercises, seconds, unlocks, levels = line
    return Change(
        version,
        first_version,
        book,
        gamification or "on",
        exercises,
        seconds,
        [
            UnlockRow(name, occurrence, dt.datetime.fromisoformat(at), by)
            for name, occurrence, at, by in lines_of(unlocks)
        ],
        [
            LevelRow(topic, SkillLevel(level, before, dt.datetime.fromisoformat(at)), by)
            for topic, level, before, at, by in lines_of(levels)
        ],
    )
