"""Explains an achievement: what its rule measures, and which completions counted for it.

An explanation is a derivation that remembers what counted. It goes over the learner's completions
twice: first to measure, since only then the best window and the levels are known; then to find what
counted. Of all completions only a page is kept, and 20 bytes of each one that counted.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from progress_worker.domain.buckets import bucket_of
from progress_worker.domain.completion import Completion
from progress_worker.domain.derivations import Derivations
from progress_worker.domain.explained_tree import (
    Node,
    RuleStatus,
    Subject,
    status_in,
    subject_of,
    tree_of,
)
from progress_worker.domain.filter_index import FilterIndex
from progress_worker.domain.filters import Filter
from progress_worker.domain.occurrences import unlock_name
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rules import Progress
from progress_worker.domain.state import LearnerState
from progress_worker.domain.streak_runs import DaysAlike, days_of_run
from progress_worker.domain.streaks import StreakPolicy, Streaks

#: Where a completion stands in the order of work.
Position = tuple[dt.datetime, UUID]
#: Reads every completion of the learner in the order of work, in portions, from the beginning.
Read = Callable[[], AsyncIterator[Collection[Completion]]]

_REVISION_BYTES: Final = 4
_UUID_BYTES: Final = 16
_SORTED_AT_ONCE: Final = 1_000
_Counts = Callable[[Completion], bool]


class UnlockRecord(NamedTuple):
    """An unlock as it is stored. `progress` is what was measured then."""

    achievement_id: str
    occurrence: int
    generation: int
    unlocked_at: dt.datetime
    #: None for unlocks of releases that did not record it.
    recorded_at: dt.datetime | None
    triggering_event_id: UUID
    progress: Progress
    rule_version: int
    rules_digest: str | None
    backdated: bool
    #: The learner's version that the unlock was saved with; None for very old unlocks.
    learner_version: int | None


class Page(NamedTuple):
    """Which of the completions that counted are wanted: the newest ones before a position."""

    limit: int
    before: Position | None = None


class Question(NamedTuple):
    """What is to be explained, of which learner, and by which rule book.

    `stored` is the learner as stored, with the days and unlocks. `unlock` is that of the subject,
    if there is one. `active` is today's rule book.
    """

    subject: Subject
    stored: LearnerState
    unlock: UnlockRecord | None
    active: RuleBook
    page: Page


class Counted(NamedTuple):
    """A completion, and the numbers of the nodes that it counted for."""

    completion: Completion
    nodes: tuple[int, ...]

    @property
    def position(self) -> Position:
        """Its place in the order of work."""
        return self.completion.completed_at, self.completion.event_id


class Today(NamedTuple):
    """What the active rule book says about an unlock.

    `status` is that of `status_in`. `holds` is None where it has no such achievement or occurrence.
    """

    rule_version: int
    status: RuleStatus
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an achievement was unlocked, or what is missing.

    `root` is the tree by the subject's rule book, over all completions that are stored. Without an
    unlock, `today` is None. `derived` is the unlock that a derivation by that rule book gives.
    """

    question: Question
    root: Node
    #: By the node's number.
    days: dict[int, list[DaysAlike]]
    today: Today | None
    derived: Unlock | None
    #: How many completions counted.
    count: int
    #: Newest first.
    completions: list[Counted]
    has_more: bool
    #: The completion that triggered the unlock; None if it was revoked or deleted.
    trigger: Completion | None
    #: Event id and revision of each completion that counted.
    events: list[bytes] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether no completion of the learner was ever deleted, so that all that counted is there.

        Otherwise, more completions may have counted than are known.
        """
        return self.question.stored.kept_from is None

    def lines(self) -> Iterator[str]:
        """`event_id:revision` of every completion that counted, sorted."""
        # One sort of all would keep the interpreter's lock from other threads.
        starts = range(0, len(self.events), _SORTED_AT_ONCE)
        runs = [sorted(self.events[start : start + _SORTED_AT_ONCE]) for start in starts]
        for event in heapq.merge(*runs):
            revision = int.from_bytes(event[_UUID_BYTES:])
            yield f"{UUID(bytes=event[:_UUID_BYTES])}:{revision}"

    def digest(self) -> str:
        """SHA-256 over the lines, each with a line feed, in hexadecimal.

        It takes time for many completions, about 3 µs each.
        """
        digest = hashlib.sha256()
        for line in self.lines():
            digest.update(f"{line}\n".encode())
        return digest.hexdigest()


async def explain(question: Question, read: Read) -> Explanation:
    """Explain the subject of the question from the learner's completions, which are read twice."""
    subject, unlock = question.subject, question.unlock
    books = [subject.book] if unlock is None else [subject.book, question.active]
    derivations = Derivations(books, question.stored)
    async for portion in read():
        derivations.add(portion)
    derived = derivations.finish()
    own = derived[subject.book.version]
    root = tree_of(subject, own.state)
    today = None
    if unlock is not None:
        today = today_of(question.active, unlock, derived[question.active.version].state)
    collecting = _Collecting(root, question.page, unlock and unlock.triggering_event_id)
    async for portion in read():
        for completion in portion:
            collecting.add(completion)
    name = unlock_name(subject.achievement.id, subject.occurrence or 1)
    found = [
        each for each in own.unlocks if unlock_name(each.achievement.id, each.occurrence) == name
    ]
    return Explanation(
        question=question,
        root=root,
        days=days_of_nodes(root, own.state.streaks, subject.book.streak_policy),
        today=today,
        derived=found[0] if found else None,
        count=len(collecting.events),
        completions=list(reversed(collecting.page)),
        has_more=collecting.before > len(collecting.page),
        trigger=collecting.trigger,
        events=collecting.events,
    )


def today_of(active: RuleBook, unlock: UnlockRecord, state: LearnerState) -> Today:
    """What the active rule book says. `state` is the learner, derived by it."""
    subject = subject_of(active, unlock.achievement_id, unlock.occurrence)
    holds = None if subject is None else subject.condition.holds(state)
    return Today(active.version, status_in(active, unlock.achievement_id), holds)


def days_of_nodes(root: Node, streaks: Streaks, policy: StreakPolicy) -> dict[int, list[DaysAlike]]:
    """The days of the longest streak, by the number of each node that measures streaks."""
    return {n.number: days_of_run(streaks, policy, n.days) for n in root.each() if n.days}


class _Collecting:
    """Remembers what counted: all of it for the digest, and one page."""

    def __init__(self, root: Node, page: Page, trigger: UUID | None) -> None:
        self._counts = [
            (node.number, counts) for node in root.each() if (counts := _counts_for(node))
        ]
        self._page = page
        self._trigger = trigger
        self.trigger: Completion | None = None
        self.events: list[bytes] = []
        self.page: deque[Counted] = deque(maxlen=page.limit)
        #: How many counted before the page's end.
        self.before = 0

    def add(self, completion: Completion) -> None:
        """Look at the next completion in the order of work."""
        if completion.revoked:
            return
        if completion.event_id == self._trigger:
            self.trigger = completion
        nodes = tuple([number for number, counts in self._counts if counts(completion)])
        if not nodes:
            return
        revision = completion.revision.to_bytes(_REVISION_BYTES)
        self.events.append(completion.event_id.bytes + revision)
        found = Counted(completion, nodes)
        if self._page.before is None or found.position < self._page.before:
            self.before += 1
            self.page.append(found)


def _counts_for(node: Node) -> _Counts | None:
    """Says which completions count for a leaf; None for one that no completion counts for."""
    rule = node.rule
    if node.counts is not None:
        return _counting(node.counts, node.window)
    if rule is None or rule.streak or rule.all or rule.any:
        return None
    if rule.skill_level:
        return lambda completion: completion.topic in node.topics
    if rule.distinct_topics:
        return _first_of(lambda completion: completion.topic)
    return _first_of(lambda completion: completion.local_day)


def _counting(found: Filter, window: str | None) -> _Counts:
    by, starts_on = found.bucketed_by, found.week_starts_on
    matches = FilterIndex([(found, 1)]).matches
    if by is None:
        return matches
    if by == "exercise":
        first = _first_of(lambda completion: completion.exercise_id)
        return lambda completion: matches(completion) and first(completion)
    return lambda completion: matches(completion) and bucket_of(by, starts_on, completion) == window


def _first_of(key: Callable[[Completion], Hashable]) -> _Counts:
    """The first completion in the order of work with each key."""
    seen: set[Hashable] = set()

    def is_first(completion: Completion) -> bool:
        before = len(seen)
        seen.add(key(completion))
        return len(seen) > before

    return is_first
