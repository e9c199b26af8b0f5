"""What another rule book changes for one learner: unlocks, levels and streaks."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from progress_worker.domain.derive import Derived
from progress_worker.domain.occurrences import achievement_of, release, unlock_name
from progress_worker.domain.revocation import Loss
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.skills import RANK
from progress_worker.domain.state import LearnerState, SkillLevel
from progress_worker.domain.streak_reading import read_daily, read_weekly
from progress_worker.domain.streaks import StreakPolicy, Streaks

#: The streaks that are compared.
STREAKS: Final = ("current_days", "longest_days", "current_weeks", "longest_weeks")


class Rederived(NamedTuple):
    """A learner as a rule book derives them.

    `held` are the unlocks that hold, as achievement ids and occurrences, and `losses` those stored
    that no longer do.
    """

    state: LearnerState
    held: Sequence[tuple[str, int]]
    losses: Sequence[Loss]


class LearnerDiff(NamedTuple):
    """What changes for a learner.

    `gained` and `lost` have how many occurrences of an achievement are, by its id. `stays` are ids
    of achievements of which an occurrence is kept. `levels` by topic and `streaks` by the names in
    `STREAKS` hold those that change: 1 for a rise, -1 for a fall.
    """

    gained: Mapping[str, int]
    lost: Mapping[str, int]
    stays: frozenset[str]
    levels: Mapping[str, int]
    streaks: Mapping[str, int]


def uncounted(book: RuleBook, stored: LearnerState) -> set[str]:
    """The counters that `book` needs and that the learner does not have."""
    return book.counters.zero().keys() - stored.counters.keys()


def rederive(
    book: RuleBook, stored: LearnerState, counted: LearnerState | None, *, can_unlock: bool
) -> Rederived:
    """The learner as deriving by `book` leaves them, from what is stored; without days.

    Sums and days do not depend on the rule book, and the rest follows from them and the counters.
    `counted` has the counters and buckets that are not stored; None if nothing is missing. Nobody
    unlocks anything without a completion that is left to name: then `can_unlock` is false. The
    stored learner has the buckets of all windows.
    """
    state = LearnerState(
        stored.user_id,
        rule_book=book.version,
        streaks=stored.streaks,
        counters=book.counters.known(stored.counters),
        buckets=book.counters.known_buckets(stored.buckets),
        totals=stored.totals,
        lost=dict(stored.lost),
    )
    if counted is not None:
        state.counters |= counted.counters
        state.buckets |= counted.buckets
    for topic, sums in state.topics.items():
        level = book.levels.level(sums)
        if level != "beginner":
            state.levels[topic] = SkillLevel(level)
    losses = book.losses(stored, state, "rules")
    held = book.unlock_held(state, stored.unlocked)
    found = [(entry.achievement.id, entry.occurrence) for entry in held] if can_unlock else []
    return Rederived(state, found, losses)


def of_derived(derived: Derived) -> Rederived:
    """The same of a learner who was derived from completions."""
    held = [(unlock.achievement.id, unlock.occurrence) for unlock in derived.unlocks]
    return Rederived(derived.state, held, derived.losses)


def difference(
    own: RuleBook, book: RuleBook, stored: LearnerState, found: Rederived, today: dt.date
) -> LearnerDiff:
    """What changes for a learner, stored by the rule book `own`, whom `book` derives like that.

    `today` is the learner's local day.
    """
    kept = set(stored.unlocked)
    for loss in found.losses:
        release(kept, loss.achievement, loss.occurrence)
    return LearnerDiff(
        gained=Counter(
            name for name, number in found.held if unlock_name(name, number) not in kept
        ),
        lost=Counter(loss.achievement.id for loss in found.losses),
        stays=frozenset(achievement_of(name) for name in kept),
        levels=_levels(stored, found.state),
        streaks=_streaks(own.streak_policy, stored.streaks, book.streak_policy, found.state, today),
    )


def _levels(stored: LearnerState, derived: LearnerState) -> dict[str, int]:
    changes = {}
    for topic in stored.levels.keys() | derived.levels.keys():
        before, after = RANK[stored.level(topic).level], RANK[derived.level(topic).level]
        if before != after:
            changes[topic] = 1 if after > before else -1
    return changes


def _streaks(
    own: StreakPolicy, before: Streaks, policy: StreakPolicy, derived: LearnerState, today: dt.date
) -> dict[str, int]:
    if own == policy and before == derived.streaks:
        return {}
    lengths = zip(
        STREAKS, _lengths(before, own, today), _lengths(derived.streaks, policy, today), strict=True
    )
    return {name: 1 if after > was else -1 for name, was, after in lengths if after != was}


def _lengths(streaks: Streaks, policy: StreakPolicy, today: dt.date) -> tuple[int, int, int, int]:
    daily, weekly = read_daily(streaks, policy, today), read_weekly(streaks, policy, today)
    return daily.current, daily.longest, weekly.current, weekly.longest
