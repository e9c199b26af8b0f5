"""One export: a learner at one moment, for one reader."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import ClauseElement

from progress_worker.domain.completion import Completion
from progress_worker.domain.explained_history import ExplainedHistory, explain_history
from progress_worker.domain.rarity import HolderCounts
from progress_worker.http.api.presentation_of_explanations import Spoken, languages_of
from progress_worker.http.computing import Computing
from progress_worker.storage.read.opened import OpenLearner
from progress_worker.storage.read.tables import COMPLETIONS
from progress_worker.storage.read.views import LearnerView, Stamp, StoredRow

#: The event loop waits some milliseconds while so many rows are written.
_CHUNK_ROWS: Final = 200


class Reader(NamedTuple):
    """Who gets the export, and when.

    `accepted` is what the header `Accept-Language` says. `rarity` is None where it is not known.
    `home_page` is the IRI of the system whose user ids xAPI statements name.
    """

    user_id: str
    now: dt.datetime
    home_page: str
    accepted: str = ""
    rarity: HolderCounts | None = None


@dataclass(slots=True)
class Exporting:
    """The learner's rows, and what is needed to write them for the reader.

    `seen` is called with the number of rows that were read.
    """

    reader: Reader
    source: OpenLearner
    computing: Computing
    stored: StoredRow[LearnerView]
    view: LearnerView
    seen: Callable[[int], object]
    _history: ExplainedHistory | None = field(default=None, init=False)

    @property
    def stamp(self) -> Stamp:
        """What the export depends on."""
        return self.stored.stamp

    @property
    def spoken(self) -> Spoken:
        """The languages of names and sentences."""
        return languages_of(self.reader.accepted, self.stamp.book)

    async def rows(self, statement: ClauseElement) -> AsyncIterator[Sequence[Any]]:
        """The rows of a statement in chunks."""
        async for rows in self.source.rows(statement, _CHUNK_ROWS):
            yield rows
            self.seen(len(rows))

    async def completions(self) -> AsyncIterator[list[Completion]]:
        """Every completion, oldest first, in chunks."""
        async for rows in self.rows(COMPLETIONS):
            yield [Completion._make(row) for row in rows]

    async def history(self) -> ExplainedHistory | None:
        """What explains the learner's unlocks; None without any. It is derived only once."""
        if self._history is None and (versions := await self.source.unlock_versions()):
            books = [await self.source.book(version) for version in versions]
            self._history = await explain_history(
                self.stamp.book,
                await self.source.active(),
                filter(None, books),
                self.view.state,
                self.source.completions,
            )
        return self._history


async def exporting(
    reader: Reader,
    source: OpenLearner,
    computing: Computing,
    seen: Callable[[int], object] = lambda _: None,
) -> Exporting:
    """Read the learner, and begin an export."""
    stored = await source.learner()
    view = await computing.make(stored.characters, stored.decode)
    return Exporting(reader, source, computing, stored, view, seen)
