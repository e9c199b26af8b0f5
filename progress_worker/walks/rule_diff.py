"""What a rule book would change for all learners, page by page, before it is activated.

A learner who is complete by a rule book is compared as stored. Only counters that are not kept yet
are counted over the completions. Others are derived. Nothing is written, and each page is read in
one snapshot.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.expiry import clock_of
from progress_worker.domain.rule_diff import (
    STREAKS,
    LearnerDiff,
    Rederived,
    difference,
    of_derived,
    rederive,
    uncounted,
)
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import rulebooks, walks
from progress_worker.storage.write.histories import (
    completions_of,
    connect_for_histories,
    derive,
    with_completions,
)
from progress_worker.storage.write.learners import load_without_days

#: The most learners of a page, and of those among them whose completions have to be read.
_PAGE_LEARNERS: Final = 2_000
_PAGE_READ: Final = 400
_SAMPLES: Final = 10
_READ_ONLY: Final = "SET TRANSACTION READ ONLY"


@dataclass(slots=True)
class Affected:
    """How many learners something happens to, how often in all, and the first few of them."""

    learners: int = 0
    occurrences: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, user_id: str, occurrences: int = 1) -> None:
        """Count one more learner."""
        self.learners += 1
        self.occurrences += occurrences
        if len(self.samples) < _SAMPLES:
            self.samples.append(user_id)


@dataclass(slots=True)
class AchievementChange:
    """The learners who gain and who lose an achievement, and how many of its holders keep it."""

    gained: Affected = field(default_factory=Affected)
    lost: Affected = field(default_factory=Affected)
    stays: int = 0


@dataclass(slots=True)
class Direction:
    """The learners for whom something rises, and those for whom it falls."""

    rises: Affected = field(default_factory=Affected)
    falls: Affected = field(default_factory=Affected)

    def add(self, user_id: str, sign: int) -> None:
        """Count a rise (1) or a fall (-1)."""
        (self.rises if sign > 0 else self.falls).add(user_id)


class Totals:
    """What changes for all learners together."""

    def __init__(self, book: RuleBook) -> None:
        #: How many learners were compared, how many have deleted older completions (truncated), are
        #: complete by no rule book (incomplete), have to be moved by the walk (to_move), and unlock
        #: anything (gaining).
        self.learners: Counter[str] = Counter(
            compared=0, truncated=0, incomplete=0, to_move=0, gaining=0
        )
        #: By id, first those of the rule book.
        self.achievements: defaultdict[str, AchievementChange] = defaultdict(AchievementChange)
        for achievement in book.content.each_achievement():
            self.achievements[achievement.id] = AchievementChange()
        self.levels: defaultdict[str, Direction] = defaultdict(Direction)
        self.streaks = {name: Direction() for name in STREAKS}

    @property
    def gained(self) -> int:
        """How many unlocks are gained."""
        return sum(change.gained.occurrences for change in self.achievements.values())

    @property
    def lost(self) -> int:
        """How many unlocks are lost."""
        return sum(change.lost.occurrences for change in self.achievements.values())

    def add(self, user_id: str, diff: LearnerDiff) -> None:
        """Count what changes for a learner."""
        self.learners["gaining"] += bool(diff.gained)
        for name, occurrences in diff.gained.items():
            self.achievements[name].gained.add(user_id, occurrences)
        for name, occurrences in diff.lost.items():
            self.achievements[name].lost.add(user_id, occurrences)
        for name in sorted(diff.stays):
            self.achievements[name].stays += 1
        for topic, sign in diff.levels.items():
            self.levels[topic].add(user_id, sign)
        for streak, sign in diff.streaks.items():
            self.streaks[streak].add(user_id, sign)


class RuleDiff:
    """Compares all learners as they are with what a rule book would make of them."""

    def __init__(
        self,
        engine: AsyncEngine,
        books: RuleBooks,
        book: RuleBook,
        *,
        now: dt.datetime,
        time_limit_seconds: float,
        page_learners: int = _PAGE_LEARNERS,
    ) -> None:
        """`now` (aware) is when current streaks are read."""
        self._engine = engine
        self._books = books
        self._book = book
        self._now = now
        self._time_limit = time_limit_seconds
        self._page_learners = page_learners
        self._after = ""
        self.totals = Totals(book)
        self.finished = False

    async def step(self) -> int:
        """Compare the next learners; returns how many. A step that failed can be tried again.

        Raises what `connect_for` raises.
        """
        async with connect_for(self._engine, self._time_limit) as connection:
            page = await walks.page(connection, self._after, self._page_learners)
            await rulebooks.fetch(connection, self._books, {version for _, version in page})
        users, read = self._fitting(page)
        async with connect_for_histories(
            self._engine, read, self._time_limit, snapshot=True
        ) as connection:
            await connection.execute(_READ_ONLY)
            found = await self._compare(connection, users)
        for state, diff in found:
            self._count(state)
            self.totals.add(state.user_id, diff)
        if users:
            self._after = users[-1]
        self.finished = len(users) == len(page) < self._page_learners
        return len(users)

    def _fitting(self, page: Sequence[tuple[str, int | None]]) -> tuple[list[str], list[str]]:
        """The learners to compare now, and those among them whose completions have to be read."""
        users: list[str] = []
        read: list[str] = []
        needed = self._book.counters.zero().keys()
        for user_id, version in page:
            if version is None or needed - self._books.by_version[version].counters.zero().keys():
                if len(read) == _PAGE_READ:
                    break
                read.append(user_id)
            users.append(user_id)
        return users, read

    async def _compare(
        self, connection: Connection, users: Sequence[str]
    ) -> list[tuple[LearnerState, LearnerDiff]]:
        windows = self._book.counters.windows
        loaded = await load_without_days(connection, self._books, set(users), windows)
        states = [loaded[user_id] for user_id in users if user_id in loaded]
        derived = await self._derived(connection, states)
        return [(state, self._difference(state, derived[state.user_id])) for state in states]

    async def _derived(
        self, connection: Connection, states: Sequence[LearnerState]
    ) -> dict[str, Rederived]:
        """These learners as the rule book derives them."""
        complete = [state for state in states if not _is_incomplete(state)]
        counted = await self._counted(connection, complete)
        left = await _with_completions_left(connection, complete)
        found = {
            state.user_id: rederive(
                self._book,
                state,
                counted.get(state.user_id),
                can_unlock=state.user_id in left,
            )
            for state in complete
        }
        if incomplete := {s.user_id: s for s in states if s.user_id not in found}:
            learners = derive(connection, self._books, incomplete, by=self._book)
            async with aclosing(learners) as derivations:
                async for state, derived in derivations:
                    found[state.user_id] = of_derived(derived)
        return found

    async def _counted(
        self, connection: Connection, states: Iterable[LearnerState]
    ) -> dict[str, LearnerState]:
        """The counters and buckets that these learners lack, counted over their completions."""
        counts: dict[str, LearnerState] = {}
        for state in states:
            if missing := uncounted(self._book, state):
                counters = dict.fromkeys(missing, 0)
                counts[state.user_id] = LearnerState(state.user_id, counters=counters)
        if counts:
            async with aclosing(completions_of(connection, list(counts))) as completions:
                async for completion in completions:
                    self._book.counters.count(counts[completion.user_id], completion, 1)
        return counts

    def _difference(self, state: LearnerState, derived: Rederived) -> LearnerDiff:
        own = self._books.by_version[state.rule_book]
        today = clock_of(state, self._book.day_starts).day_of(self._now)
        return difference(own, self._book, state, derived, today)

    def _count(self, state: LearnerState) -> None:
        incomplete = _is_incomplete(state)
        self.totals.learners.update(
            compared=1,
            truncated=state.kept_from is not None,
            incomplete=incomplete,
            to_move=incomplete or state.rule_book != self._book.version,
        )


def _is_incomplete(state: LearnerState) -> bool:
    """Whether the learner is complete by no rule book: an older release saved them last."""
    return state.rule_book is None or not state.complete


async def _with_completions_left(
    connection: Connection, states: Sequence[LearnerState]
) -> set[str]:
    """Those of the learners who have a completion that counts and is not deleted."""
    left = {s.user_id for s in states if s.kept_from is None and s.overall.completions}
    truncated = [s.user_id for s in states if s.kept_from is not None]
    if truncated:
        left |= await with_completions(connection, truncated)
    return left
