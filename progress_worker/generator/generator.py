"""A deterministic stream of ExerciseCompleted records, with what is true about each of them."""

from __future__ import annotations

import datetime as dt
import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, cycle
from random import Random
from typing import NamedTuple

from progress_worker.domain.completion import Completion
from progress_worker.errors import Reason
from progress_worker.generator.broken import SPOILS, Spoil
from progress_worker.generator.exercises import Exercises, random_uuid
from progress_worker.generator.learners import Learner, make_learners
from progress_worker.generator.travellers import send_travelling
from progress_worker.generator.wire import Wire, WireHeaders, bare, binary, structured

#: How many of a learner's last records can still be repeated or revised.
_REMEMBERED = 4
_DAY = 86_400.0


class Kind(StrEnum):
    """What the worker does with a record."""

    FRESH = "fresh"
    REPEAT = "repeat"
    LATE = "late"
    REVISION = "revision"
    REVOCATION = "revocation"
    BROKEN = "broken"


class GeneratedRecord(NamedTuple):
    """A record and the truth about it.

    `completion` is its content, None for a broken one. A repeat has the content of an earlier one.
    `reason` is why a broken one is dead-lettered, None for all others.
    """

    key: bytes | None
    value: bytes | None
    headers: WireHeaders
    kind: Kind
    completion: Completion | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class _Shares:
    """The fraction of each kind among all records. The rest are fresh completions."""

    repeat: float
    late: float
    revision: float
    broken: float

    @property
    def total(self) -> float:
        return self.repeat + self.late + self.revision + self.broken


def generate(
    count: int,
    seed: int,
    learners: int,
    end: dt.datetime,
    *,
    repeat_share: float = 0.02,
    late_share: float = 0.01,
    revision_share: float = 0.01,
    broken_share: float = 0.005,
    traveller_share: float = 0.0,
) -> Iterator[GeneratedRecord]:
    """Yield exactly `count` records of this many learners, in the order in which they are sent.

    They fill the 120 days before `end` (aware). Late records are days old when they are sent.
    `revision_share` is that of regrades and revocations together, and `traveller_share` that of the
    learners who travel, skip days and may say when their days start. The same arguments give the
    same bytes. Memory grows with the learners and not with the count.

    The first iteration raises ValueError if there are no learners, if the shares add up to more
    than a half, or if `end` has no offset.
    """
    shares = _Shares(repeat_share, late_share, revision_share, broken_share)
    if shares.total > 0.5:
        raise ValueError(f"the shares add up to {shares.total}, more than a half")
    if learners < 1 or end.tzinfo is None:
        raise ValueError("at least one learner and an end with an offset are needed")
    rng = Random(seed)  # noqa: S311  it has to be repeatable
    spoils = cycle(SPOILS)
    streams = [
        _Stream(learner, shares, end.timestamp(), rng, spoils).records(order)
        for order, learner in enumerate(
            _travelling(make_learners(learners, count, end, rng), seed, traveller_share)
        )
    ]
    for _, _, record in heapq.merge(*streams):
        yield record


def _travelling(learners: Iterator[Learner], seed: int, share: float) -> Iterator[Learner]:
    # With random numbers of their own, so that all other learners stay as they are.
    rng = Random(seed)  # noqa: S311  it has to be repeatable
    for learner in learners:
        yield send_travelling(learner, rng) if rng.random() < share else learner


class _Stream:
    """One learner's records."""

    def __init__(
        self,
        learner: Learner,
        shares: _Shares,
        end: float,
        rng: Random,
        spoils: Iterator[tuple[Reason, Spoil]],
    ) -> None:
        self._learner = learner
        self._shares = shares
        self._total = shares.total
        self._end = end
        self._rng = rng
        self._exercises = Exercises(learner, rng)
        self._spoils = spoils
        self._remembered: deque[tuple[Completion, Wire]] = deque(maxlen=_REMEMBERED)
        self._progress = 0.0

    def records(self, order: int) -> Iterator[tuple[float, int, GeneratedRecord]]:
        """The records with the instants at which they are sent. `order` decides between equal ones.

        The first record of every day is fresh, so that a habit has its streaks. The other records
        of the day have a higher share of other kinds in return.
        """
        count, total = self._learner.records, self._total
        days = self._learner.days[-max(1, int(count * (1 - 2 * total))) :]
        others = count - len(days)
        scale = count / others if others else 0.0
        sent = 0
        for day, on_day in zip(days, self._spread(others, len(days)), strict=True):
            for nth, instant in enumerate(self._instants(day, 1 + on_day)):
                self._progress = sent / count
                sent += 1
                draw = self._rng.random() / scale if nth else 1.0
                yield instant, order, self._record(instant, day, draw)

    def _spread(self, count: int, days: int) -> Iterator[int]:
        """How many records each day has, spread unevenly, `count` in all."""
        bounds = list(accumulate(0.2 + self._rng.random() for _ in range(days)))
        placed = 0
        for bound in bounds:
            upto = round(count * bound / bounds[-1])
            yield upto - placed
            placed = upto

    def _instants(self, day: int, count: int) -> Iterator[float]:
        """Ascending times within a day of the window, none of them after the end."""
        learner = self._learner
        start = self._midnight(day)
        length = min(_DAY, self._end - start)
        begin = learner.hour / 24
        width = min(0.93 - begin, 0.04 * count)
        for nth in range(count):
            yield start + length * (begin + width * (nth + self._rng.random()) / count)

    def _midnight(self, day: int) -> float:
        date = self._learner.first_day + dt.timedelta(days=day)
        return dt.datetime.combine(date, dt.time(), self._learner.zone_of(day)).timestamp()

    def _record(self, instant: float, day: int, draw: float) -> GeneratedRecord:
        """A record of another kind if `draw` is below the sum of the shares, else a fresh one."""
        if draw >= self._total:
            return self._fresh(instant, day, Kind.FRESH)
        shares = self._shares
        if draw < shares.repeat:
            completion, wire = self._rng.choice(self._remembered)
            return GeneratedRecord(*wire, Kind.REPEAT, completion, None)
        draw -= shares.repeat
        if draw < shares.late:
            days = self._rng.randrange(1, 10)
            earlier = max(instant - _DAY * days, self._midnight(0))
            return self._fresh(earlier, day - days, Kind.LATE)
        if draw < shares.late + shares.revision:
            return self._revised()
        return self._broken(instant, day)

    def _fresh(self, instant: float, day: int, kind: Kind) -> GeneratedRecord:
        zone = self._learner.zone_of(day)
        completion, shown = self._exercises.complete(instant, zone, self._progress)
        event_id = str(completion.event_id)
        return self._sent(kind, completion, shown, event_id, event_id)

    def _revised(self) -> GeneratedRecord:
        """A higher revision of a completion. Three in ten revoke it."""
        event_id = self._rng.choice(self._remembered)[0].event_id
        last = next(done for done, _ in reversed(self._remembered) if done.event_id == event_id)
        revoked = self._rng.random() < 0.3
        completion, shown = self._exercises.revise(last, self._progress, revoked=revoked)
        kind = Kind.REVOCATION if revoked else Kind.REVISION
        ce_id = str(random_uuid(self._rng))
        return self._sent(kind, completion, shown, ce_id, str(completion.event_id))

    def _broken(self, instant: float, day: int) -> GeneratedRecord:
        zone = self._learner.zone_of(day)
        completion, shown = self._exercises.complete(instant, zone, self._progress)
        reason, spoil = next(self._spoils)
        event_id = str(completion.event_id)
        wire = spoil(binary(completion, shown, event_id, event_id))
        return GeneratedRecord(*wire, Kind.BROKEN, None, reason)

    def _sent(
        self, kind: Kind, completion: Completion, shown: dt.datetime, ce_id: str, event_id: str
    ) -> GeneratedRecord:
        mode = int(self._rng.random() * 16)
        if mode == 0:
            wire = bare(completion, shown, event_id)
        elif mode < 3:
            wire = structured(completion, shown, ce_id, event_id)
        else:
            left_out = mode < 6 and completion.revision == 0
            wire = binary(completion, shown, ce_id, None if left_out else event_id)
        self._remembered.append((completion, wire))
        return GeneratedRecord(*wire, kind, completion, None)
