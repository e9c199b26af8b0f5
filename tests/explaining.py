"""Explains achievements of learners that are in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from uuid import UUID

from progress_worker.domain.completion import Completion
from progress_worker.domain.explain import Explanation, Page, Question, UnlockRecord, explain
from progress_worker.domain.explained_tree import Subject, subject_of
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState
from tests.folding import Store

EVERYTHING = Page(10_000)


def explained(
    store: Store,
    user_id: str,
    achievement_id: str,
    occurrence: int | None = None,
    *,
    book: RuleBook | None = None,
    page: Page = EVERYTHING,
) -> Explanation:
    """The explanation by the rule book, by default by that of the learner."""
    rows = store.learners[user_id]
    subject = subject_of(book or store.books[rows.rule_book], achievement_id, occurrence)
    assert subject is not None
    return explain_from(
        subject, store.loaded(user_id), rows.completions.values(), store.active, page=page
    )


def explain_from(
    subject: Subject,
    stored: LearnerState,
    completions: Iterable[Completion],
    active: RuleBook,
    *,
    unlock: UnlockRecord | None = None,
    page: Page = EVERYTHING,
) -> Explanation:
    """Explain from these completions, which come in portions of three."""
    done = sorted(completions, key=lambda c: (c.completed_at, c.event_id))

    async def read() -> AsyncIterator[list[Completion]]:
        for start in range(0, len(done), 3):
            yield done[start : start + 3]

    return asyncio.run(explain(Question(subject, stored, unlock, active, page), read))


def counted(found: Explanation) -> dict[int, set[UUID]]:
    """The completions that counted, by the number of the node."""
    nodes: dict[int, set[UUID]] = {node.number: set() for node in found.root.each()}
    for each in found.completions:
        for number in each.nodes:
            nodes[number].add(each.completion.event_id)
    return nodes
