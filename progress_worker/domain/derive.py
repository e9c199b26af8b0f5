"""Derives a learner again from the stored completions, and compares the result with what is stored.

It does not compare what the order of arrival decides: what triggered an unlock, the level before
the present one, and unlocks that are kept though their rule no longer holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from progress_worker.domain.completion import Completion
from progress_worker.domain.days import Days, union
from progress_worker.domain.excuses import Excuse, excused_days
from progress_worker.domain.reducer import Unlock, apply
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import Cell, LearnerState, Named, Proof, SkillLevel, Value
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.totals import SUMS, Totals
from progress_worker.domain.travel import may_lack_completions

#: Local days of one moment are at most two apart, and two days beside a day can prove travel.
_DAYS_OF_PROOFS: Final = 8

#: The parts of a learner's clock, and what they are called in a difference.
_CLOCK: Final = {"zone": "timezone", "offset": "UTC offset", "day_start": "start of the day"}

_DaySums: TypeAlias = dict[dt.date, dict[Cell, Totals]]


class Derived(NamedTuple):
    """A learner's progress, derived from the stored completions by a rule book.

    `unlocks` are the achievements whose rules hold. Each names the completion that first met the
    rule when all are applied oldest first, or the last one if deleted completions were needed too.
    If every completion was deleted, none can be named, and the achievement is left out.
    """

    state: LearnerState
    unlocks: list[Unlock]


class Difference(NamedTuple):
    """A value that is stored differently from how it is derived; None means that it is missing."""

    user_id: str
    part: str
    key: str
    stored: Any
    derived: Any

    def __str__(self) -> str:
        what = f"{self.part} {self.key}".strip()
        return f"{self.user_id}: {what} is {self.stored}, derived is {self.derived}"


class Derivation:
    """Folds one learner's completions, which are added oldest first."""

    def __init__(
        self, book: RuleBook, stored: LearnerState, excuses: Iterable[Excuse] = ()
    ) -> None:
        """`stored` is the learner with every day; it is read, and never changed.

        `excuses` are the learner's, each at its highest revision.
        """
        self._book = book
        self._stored = stored
        self._state = book.new_learner(stored.user_id)
        self._state.streaks.set_excused(excused_days(excuses))
        self._proofs: dict[int, dict[int, Proof]] = {}
        self._state.proofs = self._proofs
        self._met: list[Unlock] = []
        self._last: Completion | None = None

    def add(self, completion: Completion) -> None:
        """Fold the next completion in; a revoked one is left out."""
        if not completion.revoked:
            self._met += apply(self._book, self._state, completion, None).unlocks
            self._last = completion
            if len(self._proofs) > _DAYS_OF_PROOFS:
                # Oldest first, so nothing comes any more beside this day.
                del self._proofs[min(self._proofs)]

    def finish(self) -> Derived:
        """Return the result. What is stored of deleted completions is kept."""
        state = self._state
        state.proofs = None
        if self._stored.kept_from is not None:
            state = _with_deleted(self._book, self._stored, state)
        met = {unlock.achievement.id: unlock for unlock in self._met}
        held = self._book.unlock_held(state, self._stored.unlocked)
        unlocks = []
        for achievement, condition in self._book.judged:
            if achievement.id not in held:
                continue
            if achievement.id in met:
                # The unlock's progress counts no deleted completions, so it may be too low.
                unlocks.append(met[achievement.id]._replace(backdated=True))
            elif self._last is not None:
                progress = condition.progress(state)
                unlock = Unlock(
                    state.user_id, achievement, self._last, progress, self._book.version, True
                )
                unlocks.append(unlock)
        state.unlocked = {unlock.achievement.id for unlock in unlocks}
        state.targets_of = 0
        return Derived(state, unlocks)


def compare(stored: LearnerState, derived: Derived) -> Iterator[Difference]:
    """Every difference between a learner as stored, with every day, and as derived.

    A stored unlock that is not derived is no difference, because unlocks are kept. Where
    completions were deleted, only what follows from the remaining ones is compared.
    """
    state, user_id = derived.state, stored.user_id
    for part in ("active", "excused", "travelled"):
        was, now = getattr(stored.streaks, part), getattr(state.streaks, part)
        if was != now:
            yield Difference(user_id, f"{part} days", "", _days(was), _days(now))
    for part, name in _CLOCK.items():
        if getattr(stored, part) != getattr(state, part):
            yield Difference(user_id, name, "", getattr(stored, part), getattr(state, part))
    for cell in sorted(stored.totals.keys() | state.totals.keys()):
        sums = stored.totals.get(cell), state.totals.get(cell)
        yield from _sums(user_id, "total", " ".join(cell), *sums)
    for day in sorted(stored.days.keys() | state.days.keys()):
        cells, others = stored.days.get(day, {}), state.days.get(day, {})
        for cell in sorted(cells.keys() | others.keys()):
            key = " ".join((day.isoformat(), *cell))
            yield from _sums(user_id, "day", key, cells.get(cell), others.get(cell))
    yield from _levels(stored, state)
    for key in sorted(stored.counters.keys() | state.counters.keys()):
        counts = stored.counters.get(key), state.counters.get(key)
        if counts[0] != counts[1]:
            yield Difference(user_id, "counter", key, *counts)
    for name in sorted(state.unlocked - stored.unlocked):
        yield Difference(user_id, "unlock", name, None, "earned")


def _levels(stored: LearnerState, state: LearnerState) -> Iterator[Difference]:
    for topic in sorted(stored.levels.keys() | state.levels.keys()):
        before, after = stored.level(topic).level, state.level(topic).level
        if before != after:
            yield Difference(stored.user_id, "level", topic, before, after)


def replacement(
    stored: LearnerState, derived: Derived, only_topic: str | None = None
) -> tuple[LearnerState, list[Unlock]]:
    """Return the state that replaces the stored one, and the unlocks that are new.

    Only what differs is marked as dirty, so only that is saved. No unlock is taken away. With
    `only_topic`, other topics keep their levels.
    """
    state, dirty = derived.state, derived.state.dirty
    state.version = stored.version
    state.kept_from = stored.kept_from
    if only_topic is not None:
        state.rule_book = stored.rule_book  # levels that are kept may be by no rule book
    dirty.changed = True
    dirty.clock_lost = False
    dirty.expiry = True  # by another rule book it may be another one
    dirty.excused_days = (
        state.streaks.excused != stored.streaks.excused
        or state.streaks.travelled != stored.streaks.travelled
    )
    dirty.totals = _differing(stored.totals, state.totals)
    dirty.taken_back = any(not state.totals[cell].completions for cell in dirty.totals)
    dirty.days = {}
    for day in stored.days.keys() | state.days.keys():
        cells = state.days.setdefault(day, {})
        for cell, new in _differing(stored.days.get(day, {}), cells).items():
            dirty.days[day, cell] = new
            if not cells[cell].completions:
                dirty.taken_back = True
    _keep_history(state, stored, only_topic)
    dirty.levels = {
        topic: level for topic, level in state.levels.items() if level != stored.levels.get(topic)
    }
    earned = [unlock for unlock in derived.unlocks if unlock.achievement.id not in stored.unlocked]
    state.unlocked |= stored.unlocked
    return state, earned


def _differing(stored: dict[Cell, Totals], derived: dict[Cell, Totals]) -> dict[Cell, bool]:
    """The cells to save, each with whether its row is new; one that is not derived becomes 0."""
    for cell in stored.keys() - derived.keys():
        derived[cell] = Totals()
    return {
        cell: cell not in stored
        for cell, sums in derived.items()
        if sums != stored.get(cell) and not (cell not in stored and sums == Totals())
    }


def _keep_history(state: LearnerState, stored: LearnerState, only: str | None) -> None:
    """Keep what is stored of the last change of each level that is the same now."""
    levels = {}
    for topic in stored.levels.keys() | state.levels.keys():
        before, now = stored.level(topic), state.level(topic)
        if now.level == before.level or only not in {None, topic}:
            now = before
        elif now.updated_at is None:
            now = SkillLevel(now.level, before.level, before.updated_at)
        if now.updated_at is not None:
            levels[topic] = now
    state.levels = levels


def _with_deleted(book: RuleBook, stored: LearnerState, left: LearnerState) -> LearnerState:
    """The stored learner, corrected by the completions that are left.

    Sums and days are kept; levels follow from the sums. A filter that was counted before keeps its
    count; a new one counts the completions that are left.
    """
    zone = _latest(stored.zone, left.zone)
    state = LearnerState(
        stored.user_id,
        rule_book=book.version,
        streaks=_kept_streaks(stored, left),
        zone=zone,
        offset=_latest(stored.offset, left.offset) if zone is None else None,
        day_start=_latest(stored.day_start, left.day_start),
        least_day_offset=min(_known(stored.least_day_offset, left.least_day_offset), default=None),
        most_day_offset=max(_known(stored.most_day_offset, left.most_day_offset), default=None),
        counters=left.counters | book.counters.known(stored.counters),
        totals=_kept(stored.totals, left.totals),
        days=_kept_days(stored, left),
        kept_from=stored.kept_from,
    )
    for topic, sums in state.topics.items():
        level, last = book.levels.level(sums), stored.level(topic)
        if level == last.level and last.updated_at is not None:
            state.levels[topic] = last
        elif level != last.level:
            changed_at = left.level(topic).updated_at or last.updated_at or stored.kept_from
            state.levels[topic] = SkillLevel(level, last.level, changed_at)
    return state


def _latest(*named: Named[Value] | None) -> Named[Value] | None:
    return max((each for each in named if each is not None), default=None)


def _known(*offsets: int | None) -> list[int]:
    return [offset for offset in offsets if offset is not None]


def _kept_streaks(stored: LearnerState, left: LearnerState) -> Streaks:
    """Every day that was active, and what completions that may be deleted proved about travel."""
    active = Days(union(stored.active_days.runs, left.active_days.runs))
    travelled = Days(left.streaks.travelled.runs)
    for day in stored.streaks.travelled:
        if _may_lack(stored, day - dt.timedelta(days=1)):
            travelled.add(day)
    for day in list(travelled):
        if day in active:
            travelled.remove(day)
    return Streaks(active, left.streaks.excused, travelled)


def _kept_days(stored: LearnerState, left: LearnerState) -> _DaySums:
    """Each day as stored if completions of it may be deleted, otherwise as derived."""
    days: _DaySums = {}
    for day in stored.days.keys() | left.days.keys():
        cells = left.days.get(day, {})
        if _may_lack(stored, day):
            cells = _kept(stored.days.get(day, {}), cells)
        if cells:
            days[day] = cells
    return days


def _may_lack(stored: LearnerState, day: dt.date) -> bool:
    """Whether completions of that day may be deleted."""
    return stored.kept_from is not None and may_lack_completions(stored.kept_from, day.toordinal())


def _kept(stored: dict[Cell, Totals], left: dict[Cell, Totals]) -> dict[Cell, Totals]:
    """The stored sums, or those of the completions that are left where they count as many."""
    kept = dict(left)
    for cell, sums in stored.items():
        known = left.get(cell)
        if known is None or known.completions < sums.completions:
            kept[cell] = sums
    return kept


def _sums(
    user_id: str, part: str, key: str, stored: Totals | None, derived: Totals | None
) -> Iterator[Difference]:
    """The sums that differ, by name; a row of zeros is the same as no row."""
    was, now = (sums or Totals() for sums in (stored, derived))
    if was != now:
        shown = (dict(zip(SUMS, sums.numbers(), strict=True)) for sums in (was, now))
        yield Difference(user_id, part, key, *shown)


def _days(days: Days) -> list[str]:
    return [
        f"{dt.date.fromordinal(first)}/{dt.date.fromordinal(last)}" for first, last in days.runs
    ]
