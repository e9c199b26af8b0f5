"""The events of a learner's stream, their order and their ids.

A position is a version of the learner, and how much of what that version brought was sent. So the
events of one version have a fixed order: unlocks by id, levels by topic, and `progress` at the end.
A client that was cut off between two of them goes on with the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.languages import Texts
from progress_worker.domain.occurrences import unlock_name
from progress_worker.storage.read.changes import Change, LevelRow, UnlockRow

#: A comment. It keeps the connection open and costs the client nothing.
HEARTBEAT: Final = b":\n\n"

_UNLOCK, _LEVEL, _END = range(3)
_ID: Final = re.compile(
    r"(0|[1-9][0-9]{0,18})(?::(?:~(?P<topic>.+)|(?P<unlock>[a-z][a-z0-9_.]*)))?"
)
_LARGEST: Final = 2**63 - 1


class Position(NamedTuple):
    """Everything up to here was sent. Positions of one learner are in the order of the events."""

    version: int
    kind: int = _END
    name: str = ""

    @property
    def known(self) -> int:
        """The last version of which everything was sent."""
        return self.version if self.kind == _END else self.version - 1

    @property
    def id(self) -> str:
        """The SSE id, in printable ASCII."""
        if self.kind == _UNLOCK:
            return f"{self.version}:{self.name}"
        if self.kind == _LEVEL:
            return f"{self.version}:~{quote(self.name, safe='')}"
        return str(self.version)


#: The position of a client that knows nothing. Every event of every learner comes after it.
BEGINNING: Final = Position(0)
#: The position of a client whose id is none of ours.
NOWHERE: Final = Position(-1)


def read_position(text: str) -> Position:
    """The position with this id, or NOWHERE."""
    found = _ID.fullmatch(text)
    if found is None or int(found[1]) > _LARGEST:
        return NOWHERE
    version = int(found[1])
    if found["unlock"]:
        return Position(version, _UNLOCK, found["unlock"])
    if found["topic"]:
        return Position(version, _LEVEL, unquote(found["topic"]))
    return Position(version)


class Event(NamedTuple):
    """One event of a stream: its kind for metrics, its position, and its bytes."""

    kind: str
    position: Position
    text: bytes


def events_of(change: Change, language: str) -> list[Event]:
    """Everything that the change brought, in order. The last event is `progress`.

    `language` is one of the rule book's. A learner who wants no game gets no unlocks.
    """
    quiet, unlocks = change.gamification != "on", change.unlocks
    achievements = {each.id: each for each in change.book.achievements}
    if change.gamification == "off":
        unlocks = ()
    texts = change.book.texts(language)
    news = [
        *(_unlock(row, achievements[row.achievement_id], texts[row.achievement_id], quiet=quiet)
          for row in unlocks if row.achievement_id in achievements),
        *(_level(row, quiet=quiet) for row in change.levels),
    ]  # fmt: skip
    totals = change.exercises_completed, change.time_spent_seconds
    return [*sorted(news, key=_position), _progress(change.version, *totals)]


def reset(version: int) -> Event:
    """What the client knows no longer holds, and this is the learner's version now."""
    return _event("reset", Position(version), {"version": version})


def after(position: Position, events: list[Event]) -> Iterator[Event]:
    """The events that a client at this position has not seen."""
    return (event for event in events if event.position > position)


def still_holds(position: Position, version: int, first_version: int | None) -> bool:
    """Whether what a client at this position knows is part of the learner's present history."""
    if position == BEGINNING:
        return True
    return (first_version or 1) <= position.version <= version


def _name(row: UnlockRow) -> str:
    return unlock_name(row.achievement_id, row.occurrence).replace("#", ".")


def _position(event: Event) -> Position:
    return event.position


def _unlock(row: UnlockRow, achievement: Achievement, texts: Texts, *, quiet: bool) -> Event:
    data = {
        "id": achievement.id,
        "occurrence": row.occurrence,
        "name": texts.name,
        "description": texts.description,
        "category": achievement.category,
        "tier": achievement.tier,
        "points": achievement.points,
        "icon": achievement.icon,
        "unlocked_at": row.unlocked_at.isoformat(),
        "quiet": quiet,
    }
    return _event("achievement", Position(row.version, _UNLOCK, _name(row)), data)


def _progress(version: int, exercises_completed: int, time_spent_seconds: int) -> Event:
    data = {
        "version": version,
        "exercises_completed": exercises_completed,
        "time_spent_seconds": time_spent_seconds,
    }
    return _event("progress", Position(version), data)


def _level(row: LevelRow, *, quiet: bool) -> Event:
    level = row.level
    data = {
        "topic": row.topic,
        "level": level.level,
        "previous_level": level.previous_level,
        "level_updated_at": level.updated_at and level.updated_at.isoformat(),
        "quiet": quiet,
    }
    return _event("level", Position(row.version, _LEVEL, row.topic), data)


def _event(kind: str, position: Position, data: dict[str, Any]) -> Event:
    # JSON in ASCII holds no line break, so it is one line of the event.
    text = f"id: {position.id}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
    return Event(kind, position, text.encode("ascii"))


#: What a client gets to know first about a learner never seen.
NOTHING_YET: Final = _progress(0, 0, 0)
