"""Derives a learner again from the stored facts, and replaces what is stored differently."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple, TypeAlias

from progress_worker.domain.completion import Completion
from progress_worker.domain.days import Days, union
from progress_worker.domain.occurrences import hold, release, unlock_name
from progress_worker.domain.reducer import Unlock, apply, unlock_of
from progress_worker.domain.revocation import Loss, LossReason, generation_of
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import (
    Cell,
    DirtyMarks,
    LearnerState,
    Named,
    Proof,
    SkillLevel,
    Value,
)
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.totals import Totals
from progress_worker.domain.travel import may_lack_completions

#: Local days of one moment are at most two apart, and two days beside a day can prove travel.
_DAYS_OF_PROOFS: Final = 8

_DaySums: TypeAlias = dict[dt.date, dict[Cell, Totals]]


class Derived(NamedTuple):
    """A learner's progress, derived from the stored completions by a rule book.

    `unlocks` are the occurrences of achievements whose rules hold. Each names the completion that
    first met the rule when all are applied oldest first, or the last one if deleted completions
    were needed too. If every completion was deleted, none can be named, and the unlock is left out.
    `losses` are the stored unlocks that no longer hold and are not kept. A learner whose
    completions were deleted loses nothing.
    """

    state: LearnerState
    unlocks: list[Unlock]
    losses: list[Loss]


class Derivation:
    """Folds one learner's completions, which are added oldest first."""

    def __init__(
        self,
        book: RuleBook,
        stored: LearnerState,
        excused: Days | None = None,
        reason: LossReason = "rules",
    ) -> None:
        """`stored` is the learner with every day and bucket; it is read, and never changed.

        `excused` are the days that the learner's excuses excuse. `reason` is that of losses.
        """
        self._reason = reason
        self._book = book
        self._stored = stored
        self._state = book.new_learner(stored.user_id)
        self._state.streaks.set_excused(excused or Days())
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

    def forget_days(self) -> None:
        """Drop the sums per day, and the marks of what to save: only a replacement needs them."""
        self._state.days.clear()
        self._state.dirty = DirtyMarks()

    def finish(self) -> Derived:
        """Return the result. What is stored of deleted completions is kept."""
        state = self._state
        state.proofs = None
        if self._stored.kept_from is not None:
            state = _with_deleted(self._book, self._stored, state)
        state.lost = dict(self._stored.lost)
        losses = self._book.losses(self._stored, state, self._reason)
        met = {_name_of(unlock): unlock for unlock in self._met}
        unlocks = []
        for entry in self._book.unlock_held(state, self._stored.unlocked):
            # The progress of an unlock that was met counts no deleted completions.
            found = met.get(entry.name)
            if found is None and self._last is not None:
                found = unlock_of(self._book, state, entry, self._last)
            if found is not None:
                generation = generation_of(state, entry.name)
                unlocks.append(found._replace(backdated=True, generation=generation))
        state.unlocked = set()
        for unlock in unlocks:
            hold(state.unlocked, unlock.achievement.id, unlock.occurrence)
        state.targets_of = 0
        return Derived(state, unlocks, losses)


def replacement(
    stored: LearnerState, derived: Derived, only_topic: str | None = None
) -> tuple[LearnerState, list[Unlock]]:
    """Return the state that replaces the stored one, and the unlocks that are new.

    Only what differs is marked as dirty, so only that is saved. The losses are those of `derived`.
    With `only_topic`, other topics keep their levels.
    """
    state, dirty = derived.state, derived.state.dirty
    state.version = stored.version
    state.kept_from = stored.kept_from
    state.erased_until = stored.erased_until
    state.gamification = stored.gamification
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
    _mark_buckets(stored, state)
    _keep_history(state, stored, only_topic)
    dirty.levels = {
        topic: level for topic, level in state.levels.items() if level != stored.levels.get(topic)
    }
    had = set(stored.unlocked)
    for loss in derived.losses:
        release(had, loss.achievement, loss.occurrence)
    earned = [unlock for unlock in derived.unlocks if _name_of(unlock) not in had]
    state.unlocked |= had
    return state, earned


def _name_of(unlock: Unlock) -> str:
    return unlock_name(unlock.achievement.id, unlock.occurrence)


def _mark_buckets(stored: LearnerState, state: LearnerState) -> None:
    """The buckets to save, each with whether its row is new; one that is not derived becomes 0."""
    dirty = state.dirty.buckets = {}
    for key in stored.buckets.keys() | state.buckets.keys():
        was, now = stored.buckets.get(key, {}), state.buckets.setdefault(key, {})
        for name in was.keys() | now.keys():
            if now.setdefault(name, 0) != was.get(name, 0):
                dirty[key, name] = name not in was


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
        buckets=left.buckets | book.counters.known_buckets(stored.buckets),
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
    kept = (d for d in stored.streaks.travelled if _may_lack(stored, d - dt.timedelta(days=1)))
    travelled = Days()
    for day in [*left.streaks.travelled, *kept]:
        if day not in active:
            travelled.add(day)
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
