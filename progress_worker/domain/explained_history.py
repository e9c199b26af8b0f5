"""Explains all unlocks of a learner from one reading of the completions.

An explanation of one achievement also tells which completions counted (`explain`). For all of them
at once, that would take as much memory as the learner's history has rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from progress_worker.domain.derivations import Derivations
from progress_worker.domain.explain import Read, Today, UnlockRecord, days_of_nodes, today_of
from progress_worker.domain.explained_tree import Node, Subject, subject_of, tree_of
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState
from progress_worker.domain.streak_runs import DaysAlike

#: The learner, derived by the rule book of each version.
_States = dict[int, LearnerState]


class Measured(NamedTuple):
    """The rule of an unlock, and what it measures today. `days` are by the node's number."""

    subject: Subject
    root: Node
    days: dict[int, list[DaysAlike]]


class UnlockExplanation(NamedTuple):
    """Why an unlock was given.

    `measured` is by the rule book of that day, or else by the learner's; None where neither has the
    achievement.
    """

    unlock: UnlockRecord
    measured: Measured | None
    of_that_day: bool
    today: Today


class ExplainedHistory:
    """Explains unlocks of a learner who was derived by every rule book that is needed."""

    def __init__(
        self, own: RuleBook, active: RuleBook, books: Iterable[RuleBook], states: _States
    ) -> None:
        self._own = own
        self._active = active
        self._books = {book.version: book for book in books}
        self._states = states

    def explain(self, unlock: UnlockRecord) -> UnlockExplanation:
        """The explanation of one of the learner's unlocks."""
        that_day = self._books.get(unlock.rule_version)
        measured = None if that_day is None else self._measure(that_day, unlock)
        today = today_of(self._active, unlock, self._states[self._active.version])
        if measured is not None:
            return UnlockExplanation(unlock, measured, True, today)
        return UnlockExplanation(unlock, self._measure(self._own, unlock), False, today)

    def _measure(self, book: RuleBook, unlock: UnlockRecord) -> Measured | None:
        subject = subject_of(book, unlock.achievement_id, unlock.occurrence)
        if subject is None:
            return None
        state = self._states[book.version]
        root = tree_of(subject, state)
        return Measured(subject, root, days_of_nodes(root, state.streaks, book.streak_policy))


async def explain_history(
    own: RuleBook, active: RuleBook, books: Iterable[RuleBook], stored: LearnerState, read: Read
) -> ExplainedHistory:
    """Derive the learner. `own` is the learner's rule book, and `books` those that gave unlocks."""
    books = list(books)
    derivations = Derivations([own, active, *books], stored)
    async for portion in read():
        derivations.add(portion)
    states = {version: each.state for version, each in derivations.finish().items()}
    return ExplainedHistory(own, active, books, states)
