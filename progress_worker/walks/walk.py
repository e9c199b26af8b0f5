"""A walk: a resumable pass over all learners, a page at a time, in the order of their keys.

The cursor is moved in the transaction that does the work of a page. So a walk can be killed at any
point. The process that goes on with it repeats nothing that was committed and leaves nobody out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.errors import TransientError
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.write import walks
from progress_worker.storage.write.histories import connect_for_histories
from progress_worker.storage.write.walks import WalkState

#: The most learners that a page looks at, and the most completions that it derives. A single
#: learner may have more.
_PAGE_LEARNERS: Final = 500
_PAGE_COMPLETIONS: Final = 20_000


class Page(NamedTuple):
    """The learners to work on, in the order of their keys.

    `first` and `last` say whether the pass begins and ends with them.
    """

    users: Sequence[str]
    first: bool = False
    last: bool = False


class Passenger(Protocol):
    """What is done with the learners of a walk."""

    #: The walk's name, one row of the table each.
    name: str
    #: Whether learners are derived from their completions. If not, a page takes the same time
    #: however much they have done, and a pass that has come to its end has one more page of nobody.
    derives: bool
    #: Whether a page that derives is read in one snapshot.
    snapshot: bool

    @property
    def rule_book(self) -> int | None:
        """The version of the rule book that a pass is for; another one starts the pass over."""

    def wants(self, user_id: str, rule_book: int | None, /) -> bool:
        """Whether a learner, complete by that rule book, has to be looked at more closely."""

    async def work(self, connection: Connection, page: Page, /) -> int:
        """Do the work on these learners; returns how many were changed. The walk commits.

        Raises TransientError for what may succeed later, psycopg.Error, and FatalError.
        """

    def committed(self) -> None:
        """The walk calls this when the last work is committed."""


class Step(NamedTuple):
    """What one step of a walk did: learners passed, those worked on, and those changed.

    `finished` says that the end was reached. `learners_per_second` is the rate that an operator
    asked for.
    """

    examined: int
    worked: int
    changed: int
    finished: bool
    learners_per_second: float | None = None


class Walk:
    """Takes a passenger over all learners, page by page."""

    def __init__(
        self,
        engine: AsyncEngine,
        passenger: Passenger,
        *,
        time_limit_seconds: float,
        page_learners: int = _PAGE_LEARNERS,
    ) -> None:
        self.passenger = passenger
        self._engine = engine
        self._time_limit = time_limit_seconds
        self._page_learners = page_learners
        #: How many learners of a page are worked on at once; fewer after a failure.
        self._most = page_learners

    async def state(self) -> WalkState | None:
        """How far the walk has come. Raises what `connect_for` raises."""
        async with connect_for(self._engine, self._time_limit) as connection:
            return await walks.find(connection, self.passenger.name)

    async def learners(self) -> int:
        """How many learners there are. Raises what `connect_for` raises."""
        async with connect_for(self._engine, self._time_limit) as connection:
            return await walks.learners(connection)

    async def start(self) -> None:
        """Begin a pass from the first learner, however far the last pass came."""
        async with connect_for(self._engine, self._time_limit) as connection:
            await walks.begin(connection, self.passenger.name, self.passenger.rule_book)
            await connection.commit()

    async def step(self) -> Step:
        """Do the next page of the present pass; a new pass begins where there is none.

        Raises LearnerChangedError where a learner of the page was saved meanwhile, WalkMovedError
        where another process has done the page, and what `connect_for` raises. After a transient
        failure the next step takes fewer learners.
        """
        try:
            step = await self._page()
        except TransientError:
            self._most = max(1, self._most // 2)
            raise
        self._most = min(self._page_learners, self._most * 2)
        return step

    async def _page(self) -> Step:
        async with connect_for(self._engine, self._time_limit) as connection:
            state = await walks.resume(connection, self.passenger.name, self.passenger.rule_book)
            found = await walks.page(connection, state.cursor.user_id, self._page_learners)
            wanted = [user_id for user_id, book in found if self.passenger.wants(user_id, book)]
            sizes = await self._sizes(connection, wanted[: self._most])
            await connection.commit()
        users, passed = self._fitting(found, sizes)
        finished = passed == len(found) < self._page_learners
        cursor = walks.Cursor(found[passed - 1][0]) if passed else state.cursor
        page = Page(users, first=state.cursor == walks.Cursor(), last=finished)
        derives = self.passenger.derives
        async with self._connect(users) as connection:
            is_work = users or not derives
            changed = await self.passenger.work(connection, page) if is_work else 0
            await walks.move(
                connection,
                self.passenger.name,
                state.cursor,
                cursor,
                examined=passed,
                changed=changed,
                finished=finished,
            )
            await connection.commit()
        self.passenger.committed()
        worked = len(users) if derives else changed
        return Step(passed, worked, changed, finished, state.learners_per_second)

    async def _sizes(self, connection: Connection, users: list[str]) -> Mapping[str, int]:
        """How many completions the work on each of these learners reads."""
        if self.passenger.derives:
            return await walks.sizes(connection, users)
        return dict.fromkeys(users, 0)

    def _connect(self, users: Sequence[str]) -> AbstractAsyncContextManager[Connection]:
        if not self.passenger.derives:
            return connect_for(self._engine, self._time_limit)
        snapshot = self.passenger.snapshot
        return connect_for_histories(self._engine, users, self._time_limit, snapshot=snapshot)

    def _fitting(
        self, found: Sequence[tuple[str, int | None]], sizes: Mapping[str, int]
    ) -> tuple[list[str], int]:
        """The learners to work on now, and how many of the page are passed with them."""
        users: list[str] = []
        completions = passed = 0
        for user_id, rule_book in found:
            if self.passenger.wants(user_id, rule_book):
                completions += sizes.get(user_id, 0)
                if user_id not in sizes or (users and completions > _PAGE_COMPLETIONS):
                    break
                users.append(user_id)
            passed += 1
        return users, passed
