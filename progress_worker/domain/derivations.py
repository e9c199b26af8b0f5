"""Derives a learner by several rule books in one reading of the completions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import Derivation, Derived
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState


class Derivations:
    """One derivation for each version among the rule books.

    They measure and replace nothing, so they keep no sums per day. Those of a long history would
    take most of the memory.
    """

    def __init__(self, books: Iterable[RuleBook], stored: LearnerState) -> None:
        """`stored` is the learner as stored; it is read, and never changed."""
        self._stored = stored
        excused = stored.streaks.excused
        self._by_version = {
            version: Derivation(book, stored, excused)
            for version, book in {book.version: book for book in books}.items()
        }

    def add(self, completions: Collection[Completion]) -> None:
        """Fold the next completions in, oldest first."""
        for derivation in self._by_version.values():
            for completion in completions:
                derivation.add(completion)
            derivation.forget_days()

    def finish(self) -> dict[int, Derived]:
        """The results by version. What is stored as unlocked is unlocked in each of them."""
        derived = {version: each.finish() for version, each in self._by_version.items()}
        for each in derived.values():
            each.state.unlocked |= self._stored.unlocked
        return derived
