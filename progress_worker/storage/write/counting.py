"""Counts learners for a catalogue whose filters are others than when they were last saved.

Each group of learners is a transaction of its own, so what was counted stays counted. No group
holds more completions than fit a short transaction, unless it is a single learner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.reducer import Reducer
from progress_worker.errors import LearnerChangedError
from progress_worker.storage.write.arrays import array, arrays
from progress_worker.storage.write.histories import completions, connect_for_histories

_GROUP_COMPLETIONS: Final = 50_000
_LEARNERS: Final = """
SELECT user_id, version, counters, completions_kept_from IS NOT NULL
FROM learner WHERE user_id = ANY(%s::text[]) ORDER BY user_id
"""
_SAVE: Final = """
UPDATE learner AS l SET version = l.version + 1, counters = n.counters
FROM unnest(%s::text[], %s::bigint[], %s::jsonb[]) AS n (user_id, version, counters)
WHERE l.user_id = n.user_id AND l.version = n.version
"""


def groups(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Learners to be counted together, given the number of completions of each."""
    group: list[str] = []
    held = 0
    for user_id in sorted(sizes):
        if group and held + sizes[user_id] > _GROUP_COMPLETIONS:
            yield group
            group, held = [], 0
        group.append(user_id)
        held += sizes[user_id]
    if group:
        yield group


async def count_again(
    engine: AsyncEngine, reducer: Reducer, users: Sequence[str], seconds: float
) -> None:
    """Count the completions of these learners and save the counters.

    Where completions were deleted, a filter that was counted before keeps its count. Raises
    LearnerChangedError when another transaction changed one of the learners meanwhile.
    """
    async with connect_for_histories(engine, users, seconds) as connection:
        rows = await (await connection.execute(_LEARNERS, [array(users)], binary=True)).fetchall()
        states = {row[0]: reducer.new_learner(row[0]) for row in rows}
        async for completion in completions(connection, list(states)):
            reducer.count(states[completion.user_id], completion)
        saved = []
        for user_id, version, before, truncated in rows:
            counters = states[user_id].counters
            if truncated:
                counters |= {key: before[key] for key in counters.keys() & before.keys()}
            saved.append((user_id, version, to_json(counters).decode()))
        if saved:
            result = await connection.execute(_SAVE, arrays(saved, 3))
            if result.rowcount != len(saved):
                raise LearnerChangedError("a learner was changed while it was counted")
        await connection.commit()
