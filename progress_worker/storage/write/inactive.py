"""Finds learners who have done nothing for long."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from progress_worker.storage.database import Connection

#: The end of a day is the day after it. A learner without such a day has sent nothing but facts
#: that name no day, and began when the row was first written.
_FIND: Final = """
SELECT user_id, ended FROM (
    SELECT user_id, coalesce(
        greatest(upper(active_days), upper(excused_days)),
        (to_timestamp(first_version / 1000000.0))::date + 1
    ) AS ended
    FROM learner WHERE user_id BETWEEN %(first)s AND %(last)s
) AS learners
WHERE ended <= %(before)s ORDER BY user_id
"""


class InactiveLearner(NamedTuple):
    """A learner, and the day after the last one that was active or excused."""

    user_id: str
    ended: dt.date


async def find(
    connection: Connection, first: str, last: str, before: dt.date
) -> list[InactiveLearner]:
    """Those from `first` to `last`, both included, whose last day is earlier than this one."""
    parameters = {"first": first, "last": last, "before": before}
    rows = await (await connection.execute(_FIND, parameters)).fetchall()
    return [InactiveLearner(*row) for row in rows]
