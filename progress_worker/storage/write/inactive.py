"""Finds learners who have done nothing for long."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from progress_worker.storage.database import Connection

#: The end of a day is the day after it. Each table is told the range, since Postgres does not
#: conclude one from the other.
_FIND: Final = """
SELECT user_id, ended FROM (
    SELECT l.user_id, coalesce(
        greatest(upper(l.active_days), upper(l.excused_days), p.issued_at::date + 1),
        to_timestamp(l.first_version / 1000000.0)::date + 1
    ) AS ended
    FROM learner AS l LEFT JOIN learner_preference AS p
        ON p.user_id = l.user_id AND p.user_id BETWEEN %(first)s AND %(last)s
    WHERE l.user_id BETWEEN %(first)s AND %(last)s
) AS learners
WHERE ended <= %(before)s ORDER BY user_id
"""


class InactiveLearner(NamedTuple):
    """A learner, and the day after the last one that was active, excused, or had a choice made."""

    user_id: str
    ended: dt.date


async def find(
    connection: Connection, first: str, last: str, before: dt.date
) -> list[InactiveLearner]:
    """Those from `first` to `last`, both included, whose last day is earlier than this one."""
    parameters = {"first": first, "last": last, "before": before}
    rows = await (await connection.execute(_FIND, parameters)).fetchall()
    return [InactiveLearner(*row) for row in rows]
