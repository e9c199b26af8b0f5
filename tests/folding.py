"""Learners in memory, loaded and saved batch by batch as with Postgres."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from progress_worker.domain import travel
from progress_worker.domain.completion import Completion
from progress_worker.domain.days import Days, Run
from progress_worker.domain.derive import Derivation, Derived, replacement
from progress_worker.domain.excuses import Excuse, excused_days
from progress_worker.domain.expiry import clock_of, expires_at
from progress_worker.domain.occurrences import hold
from progress_worker.domain.reducer import Effects, Outcome, Unlock, apply
from progress_worker.domain.revisions import supersedes
from progress_worker.domain.revocation import Loss
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rules import DAYS_BIT
from progress_worker.domain.state import Cell, LearnerState, Named, SkillLevel
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.totals import Totals


@dataclass(slots=True)
class Rows:
    """What is stored of one learner."""

    rule_book: int = 0
    runs: list[Run] = field(default_factory=list)
    excused: list[Run] = field(default_factory=list)
    travelled: list[Run] = field(default_factory=list)
    zone: Named[str] | None = None
    offset: Named[int] | None = None
    day_start: Named[int] | None = None
    day_offsets: tuple[int | None, int | None] = (None, None)
    counters: dict[str, int] = field(default_factory=dict)
    totals: dict[Cell, Totals] = field(default_factory=dict)
    days: dict[tuple[dt.date, Cell], Totals] = field(default_factory=dict)
    levels: dict[str, SkillLevel] = field(default_factory=dict)
    buckets: dict[tuple[str, str], int] = field(default_factory=dict)
    unlocks: list[Unlock] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    completions: dict[UUID, Completion] = field(default_factory=dict)
    excuses: dict[UUID, Excuse] = field(default_factory=dict)
    expiry: dt.datetime | None = None

    @property
    def is_stored(self) -> bool:
        """Whether any fact of the learner was stored."""
        return bool(self.completions or self.excuses)


class Store:
    """Applies batches; `effects` keeps what would be published, arrival by arrival."""

    def __init__(self, book: RuleBook) -> None:
        self.books = {book.version: book}
        self.active = book
        self.learners: dict[str, Rows] = {}
        self.effects: list[Effects] = []

    def apply(self, batch: Sequence[Completion]) -> None:
        """Load, fold, save."""
        states = {user_id: self._load(user_id, batch) for user_id in {c.user_id for c in batch}}
        latest = {
            (user_id, event_id): stored
            for user_id in states
            for event_id, stored in self._rows(user_id).completions.items()
        }
        for user_id, arriving in travel.travellers(states, batch).items():
            self._remember_travel(states[user_id], arriving)
        for arrival in batch:
            key = (arrival.user_id, arrival.event_id)
            effects = apply(
                self.books[states[arrival.user_id].rule_book or 0],
                states[arrival.user_id],
                arrival,
                latest.get(key),
            )
            self.effects.append(effects)
            self._change_unlocks(arrival.user_id, effects.losses, effects.unlocks)
            if effects.outcome is not Outcome.DUPLICATE:
                latest[key] = arrival
        for (user_id, event_id), completion in latest.items():
            self._rows(user_id).completions[event_id] = completion
        for state in states.values():
            if state.dirty.changed:
                self._save(state)

    def excuse(self, excuse: Excuse) -> list[Unlock]:
        """What the worker does with an excuse; returns the unlocks that are new."""
        rows = self._rows(excuse.user_id)
        stored = rows.excuses.get(excuse.excuse_id)
        if stored is not None and not supersedes(excuse.revision, stored.revision):
            return []
        state = self.loaded(excuse.user_id)
        rows.excuses[excuse.excuse_id] = excuse
        before = state.streaks.excused
        state.streaks.set_excused(excused_days(rows.excuses.values()))
        book = self.books[state.rule_book or 0]
        unlocks: list[Unlock] = []
        if book.index.due(state, DAYS_BIT) or book.withdrawable.fails(state):
            state.streaks.set_excused(before)
            done = sorted(rows.completions.values(), key=lambda c: (c.completed_at, c.event_id))
            derived = derive(book, state, done, rows.excuses.values())
            state, unlocks = replacement(state, derived)
            self._change_unlocks(excuse.user_id, derived.losses, unlocks)
        else:
            state.dirty.excused_days = state.dirty.expiry = True
        self._save(state)
        return unlocks

    def _remember_travel(self, state: LearnerState, arriving: Sequence[Completion]) -> None:
        """Read the days around a traveller's arrivals, as far as the rules ask for them."""
        completions = self._rows(state.user_id).completions
        stored = [completions[c.event_id] for c in arriving if c.event_id in completions]
        days = travel.days_to_read(state, arriving, stored)
        if days is not None:
            state.proofs = {}
            for completion in completions.values():
                if completion.local_day in days and not completion.revoked:
                    travel.remember(state, completion)

    def activate(self, book: RuleBook) -> None:
        """New learners begin with this rule book, and the others wait for `move`."""
        self.books[book.version] = self.active = book

    def move(self, user_id: str) -> list[Unlock]:
        """What the walk does with a learner; returns the unlocks that are new."""
        rows, before = self._rows(user_id), self.loaded(user_id)
        if not rows.is_stored or rows.rule_book == self.active.version:
            return []
        done = sorted(rows.completions.values(), key=lambda c: (c.completed_at, c.event_id))
        derived = derive(self.active, before, done, rows.excuses.values())
        state, unlocks = replacement(before, derived)
        self._change_unlocks(user_id, derived.losses, unlocks)
        self._save(state)
        return unlocks

    def _change_unlocks(
        self, user_id: str, losses: Sequence[Loss], unlocks: Sequence[Unlock]
    ) -> None:
        """Every loss is of an unlock that is stored, and no unlock is stored twice."""
        rows = self._rows(user_id)
        for loss in losses:
            (found,) = [unlock for unlock in rows.unlocks if _identity(unlock) == _identity(loss)]
            rows.unlocks.remove(found)
        rows.unlocks += unlocks

    def loaded(self, user_id: str) -> LearnerState:
        """The learner's whole state, every day included."""
        state = self._load(user_id, ())
        for (day, cell), totals in self._rows(user_id).days.items():
            state.days.setdefault(day, {})[cell] = replace(totals)
        for (key, bucket), n in self._rows(user_id).buckets.items():
            state.buckets.setdefault(key, {})[bucket] = n
        return state

    def _rows(self, user_id: str) -> Rows:
        return self.learners.setdefault(user_id, Rows())

    def _load(self, user_id: str, batch: Sequence[Completion]) -> LearnerState:
        rows = self._rows(user_id)
        if not rows.is_stored:
            return self.active.new_learner(user_id)
        state = LearnerState(
            user_id,
            rule_book=rows.rule_book,
            streaks=Streaks(Days(rows.runs), Days(rows.excused), Days(rows.travelled)),
            zone=rows.zone,
            offset=rows.offset,
            day_start=rows.day_start,
            least_day_offset=rows.day_offsets[0],
            most_day_offset=rows.day_offsets[1],
            counters=dict(rows.counters),
            totals={cell: replace(totals) for cell, totals in rows.totals.items()},
            levels=dict(rows.levels),
            lost=dict(rows.lost),
        )
        for unlock in rows.unlocks:
            hold(state.unlocked, unlock.achievement.id, unlock.occurrence)
        wanted = {c.local_day for c in self._concerned(rows, user_id, batch)}
        for (day, cell), totals in rows.days.items():
            if day in wanted:
                state.days.setdefault(day, {})[cell] = replace(totals)
        self._load_buckets(state, rows, batch)
        return state

    def _load_buckets(self, state: LearnerState, rows: Rows, batch: Sequence[Completion]) -> None:
        """The batch's own, and all windows where a completion may be taken out."""
        counters = self.books[state.rule_book or 0].counters
        concerned = [*self._concerned(rows, state.user_id, batch)]
        own = {pair for completion in concerned for pair in counters.buckets_of(completion)}
        corrected = any(c.revision for c in concerned)
        for (key, bucket), n in rows.buckets.items():
            if (key, bucket) in own or (corrected and key in counters.windows):
                state.buckets.setdefault(key, {})[bucket] = n

    def _concerned(
        self, rows: Rows, user_id: str, batch: Sequence[Completion]
    ) -> Iterator[Completion]:
        for arrival in batch:
            if arrival.user_id == user_id:
                yield arrival
                if (stored := rows.completions.get(arrival.event_id)) is not None:
                    yield stored

    def _save(self, state: LearnerState) -> None:
        """Save only what is marked as dirty."""
        rows, dirty = self._rows(state.user_id), state.dirty
        rows.rule_book = state.rule_book or 0
        rows.runs = list(state.active_days.runs)
        rows.counters = dict(state.counters)
        rows.totals |= {cell: replace(state.totals[cell]) for cell in dirty.totals}
        rows.days |= {(day, cell): replace(state.days[day][cell]) for day, cell in dirty.days}
        rows.levels |= {topic: state.levels[topic] for topic in dirty.levels}
        for (key, bucket), new in dirty.buckets.items():
            assert new == ((key, bucket) not in rows.buckets)
            rows.buckets[key, bucket] = state.buckets[key][bucket]
            if not rows.buckets[key, bucket]:
                del rows.buckets[key, bucket]
        rows.lost = dict(state.lost)
        rows.day_offsets = state.least_day_offset, state.most_day_offset
        if dirty.excused_days:
            rows.excused = list(state.streaks.excused.runs)
            rows.travelled = list(state.streaks.travelled.runs)
        rows.zone, rows.offset, rows.day_start = state.zone, state.offset, state.day_start
        if dirty.clock_lost:
            done = rows.completions.values()
            rows.zone = state.zone = latest(done, lambda c: c.timezone)
            state.offset = None if rows.zone else latest(done, lambda c: c.utc_offset_minutes)
            rows.offset = state.offset
            rows.day_start = state.day_start = latest(done, lambda c: c.day_starts_at)
        if dirty.expiry:
            clock = clock_of(state, self.active.day_starts)
            rows.expiry = expires_at(self.books[rows.rule_book], state, clock)


def _identity(found: Unlock | Loss) -> tuple[str, int, int]:
    return found.achievement.id, found.occurrence, found.generation


Value = TypeVar("Value")


def latest(
    completions: Iterable[Completion], part: Callable[[Completion], Value | None]
) -> Named[Value] | None:
    """A part of the clock, as the latest completion names it that counts and names one."""
    named = [
        (c.completed_at, c.event_id, value)
        for c in completions
        if not c.revoked and (value := part(c)) is not None
    ]
    return max(named, key=lambda each: each[:2], default=None)


def derive(
    book: RuleBook,
    stored: LearnerState,
    completions: Iterable[Completion],
    excuses: Iterable[Excuse] = (),
) -> Derived:
    """Derive a learner from completions, oldest first."""
    derivation = Derivation(book, stored, excused_days(excuses))
    for completion in completions:
        derivation.add(completion)
    return derivation.finish()


def cut(arrivals: Sequence[Completion], lengths: Iterable[int]) -> Iterator[Sequence[Completion]]:
    """Cut into batches of these lengths; what is left over is the last one."""
    start = 0
    for length in lengths:
        if start < len(arrivals):
            yield arrivals[start : start + length]
        start += length
    if start < len(arrivals):
        yield arrivals[start:]


def stored(book: RuleBook, arrivals: Sequence[Completion], lengths: Iterable[int] = ()) -> Store:
    """The store after the arrivals, applied in batches of these lengths."""
    store = Store(book)
    for batch in cut(arrivals, lengths):
        store.apply(batch)
    return store


def of(user_id: str, arrivals: Sequence[Completion]) -> list[Completion]:
    """The learner's own arrivals."""
    return [arrival for arrival in arrivals if arrival.user_id == user_id]
