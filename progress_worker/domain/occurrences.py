"""The occurrences of achievements: most have one, and those that repeat have several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.buckets import week_number
from progress_worker.domain.completion import Completion
from progress_worker.domain.counters import Counters
from progress_worker.domain.rules import Condition, multiple, of_week
from progress_worker.domain.state import LearnerState

#: Later multiples of a target unlock nothing.
MOST_MULTIPLES: Final = 100
_WEEKS: Final = 53
_BY: Final = "#"


def unlock_name(achievement_id: str, occurrence: int) -> str:
    """How a learner's state names an occurrence of an achievement; the first is its id."""
    return achievement_id if occurrence == 1 else f"{achievement_id}{_BY}{occurrence}"


def achievement_of(name: str) -> str:
    """The id of the achievement that `unlock_name` named."""
    return name.partition(_BY)[0]


def occurrence_of(name: str) -> int:
    """The occurrence; 1 where the name is the id."""
    return int(name.partition(_BY)[2] or 1)


def hold(unlocked: set[str], achievement_id: str, occurrence: int) -> None:
    """Add an occurrence to the unlocks of a learner. Its achievement is unlocked too."""
    unlocked.add(achievement_id)
    if occurrence != 1:
        unlocked.add(unlock_name(achievement_id, occurrence))


def release(unlocked: set[str], achievement: Achievement, occurrence: int) -> None:
    """Take an occurrence from the unlocks of a learner."""
    unlocked.discard(unlock_name(achievement.id, occurrence))
    before = achievement.id + _BY
    if achievement.repeat == "each_week" and not any(name.startswith(before) for name in unlocked):
        unlocked.discard(achievement.id)


class Entry(NamedTuple):
    """One occurrence of an achievement and when it is due.

    `position` is the achievement's place in the rule book.
    """

    target: int
    position: int
    name: str
    achievement: Achievement
    condition: Condition
    occurrence: int = 1


def entries_of(position: int, achievement: Achievement, condition: Condition) -> list[Entry]:
    """The occurrences that are known beforehand: one, or each multiple of the target."""
    times = MOST_MULTIPLES if achievement.repeat == "each_multiple" else 1
    return [_entry(position, achievement, condition, n) for n in range(1, times + 1)]


def condition_of(achievement: Achievement, condition: Condition, occurrence: int) -> Condition:
    """The condition of one occurrence; `condition` is that of the achievement."""
    if achievement.repeat == "each_week":
        return of_week(condition, occurrence)
    return condition if occurrence == 1 else multiple(condition, occurrence)


def has_occurrence(achievement: Achievement, occurrence: int) -> bool:
    """Whether the achievement can have it."""
    if achievement.repeat == "each_week":
        return 1 <= occurrence % 100 <= _WEEKS
    return 1 <= occurrence <= (MOST_MULTIPLES if achievement.repeat else 1)


def _entry(position: int, achievement: Achievement, condition: Condition, number: int) -> Entry:
    name = unlock_name(achievement.id, number)
    own = condition_of(achievement, condition, number)
    return Entry(own.target, position, name, achievement, own, number)


def unlock_holding(state: LearnerState, entries: Iterable[Entry]) -> list[Entry]:
    """Unlock the entries whose conditions hold, as long as that makes others hold; returns them."""
    held: list[Entry] = []
    waiting = list(entries)
    while found := [entry for entry in waiting if entry.condition.holds(state)]:
        for entry in found:
            hold(state.unlocked, entry.achievement.id, entry.occurrence)
        held += found
        # Another unlock makes no other rule hold.
        names = {entry.name for entry in held}
        waiting = [e for e in waiting if e.achievement.requires and e.name not in names]
    return held


class Weekly:
    """The achievements that repeat with each week, each with a condition on the best week."""

    def __init__(
        self,
        found: Iterable[tuple[int, Achievement, Condition]],
        counters: Counters,
        week_starts_on: int,
    ) -> None:
        self._all = [
            (position, achievement, condition, counters.bits_of([counted]), counted.key)
            for position, achievement, condition in found
            for counted in condition.filters
        ]
        self.achievements = [achievement for _, achievement, *_ in self._all]
        #: The filters that any of them reads.
        self.reads = sum({bits for *_, bits, _ in self._all})
        self._starts_on = week_starts_on

    def due(self, state: LearnerState, changed: int, completion: Completion) -> list[Entry]:
        """Those of the completion's week that are due, in the order of the rule book."""
        week = week_number(completion.local_day.toordinal(), self._starts_on)
        name, due = str(week), list[Entry]()
        for position, achievement, condition, bits, key in self._all:
            if bits & changed and (weeks := state.buckets.get(key)):
                # Most weeks have not come that far, or have been unlocked long since.
                if weeks.get(name, 0) < condition.target:
                    continue
                if unlock_name(achievement.id, week) not in state.unlocked:
                    due.append(_entry(position, achievement, condition, week))
        return due

    def holding(self, state: LearnerState) -> Iterator[Entry]:
        """The weeks in which an achievement's rule holds; the state has every bucket."""
        for position, achievement, condition, _, key in self._all:
            for name in sorted(state.buckets.get(key, {})):
                entry = _entry(position, achievement, condition, int(name))
                if entry.condition.holds(state):
                    yield entry
