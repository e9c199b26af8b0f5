"""Excuses that a platform grants: pauses and repairs for days that learners missed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from random import Random
from typing import NamedTuple
from uuid import uuid5

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse, ExcuseKind
from progress_worker.events.commands import DAYS_EXCUSED
from progress_worker.generator.exercises import random_uuid
from progress_worker.generator.wire import SOURCE, WireHeaders

_DAY = dt.timedelta(days=1)
_MOST_GAPS = 3
_REVISED, _REVOKED, _REPEATED = 0.4, 0.3, 0.1


class GeneratedExcuse(NamedTuple):
    """A record of the progress-commands topic, and what it says."""

    key: bytes
    value: bytes
    headers: WireHeaders
    excuse: Excuse


def grant_excuses(
    completions: Iterable[Completion], seed: int, *, share: float = 0.4
) -> Iterator[GeneratedExcuse]:
    """Excuse some of the days that this share of the learners missed, in the order of sending.

    Some excuses are revised, some revisions revoke, and some records are sent twice. The same
    arguments give the same bytes.
    """
    rng = Random(seed)  # noqa: S311  it has to be repeatable
    by_learner: dict[str, list[Completion]] = {}
    for completion in completions:
        by_learner.setdefault(completion.user_id, []).append(completion)
    for user_id, done in by_learner.items():
        gaps = list(_gaps({completion.local_day for completion in done}))
        if gaps and rng.random() < share:
            issued_at = max(completion.completed_at for completion in done)
            for gap in rng.sample(gaps, min(len(gaps), rng.randint(1, _MOST_GAPS))):
                yield from _granted(user_id, gap, issued_at, rng)


def _gaps(days: set[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """The first and the last day of every gap between active days."""
    ordered = sorted(days)
    for day, following in pairwise(ordered):
        if day + _DAY < following:
            yield day + _DAY, following - _DAY


def _granted(
    user_id: str, gap: tuple[dt.date, dt.date], issued_at: dt.datetime, rng: Random
) -> Iterator[GeneratedExcuse]:
    first, last = gap
    kind: ExcuseKind = "repair" if first == last else rng.choice(("pause", "sick", "travel"))
    excuse = Excuse(user_id, random_uuid(rng), 0, False, issued_at, kind, first, last)
    yield _sent(excuse)
    while rng.random() < _REVISED:
        excuse = excuse._replace(
            revision=excuse.revision + 1,
            revoked=rng.random() < _REVOKED,
            last_day=first + _DAY * rng.randint(0, (last - first).days + 1),
        )
        yield _sent(excuse)
        if rng.random() < _REPEATED:
            yield _sent(excuse)


def _sent(excuse: Excuse) -> GeneratedExcuse:
    """The record of this revision; sent again it is the same."""
    ce_id = uuid5(excuse.excuse_id, str(excuse.revision))
    issued_at = excuse.issued_at.isoformat()
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", str(ce_id).encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", DAYS_EXCUSED.encode()),
        ("ce_time", issued_at.encode()),
        ("content-type", b"application/json"),
    )
    said = excuse._asdict() | {"excuse_id": str(excuse.excuse_id), "issued_at": issued_at}
    value = json.dumps(said, default=dt.date.isoformat)
    return GeneratedExcuse(excuse.user_id.encode(), value.encode(), headers, excuse)
