"""Preferences as rows of their table, which the worker writes and the view reads too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from progress_worker.domain.preferences import Goal, Preference

#: The table's columns after `user_id`, in the order of the values here.
COLUMNS: Final = (
    "revision",
    "issued_at",
    "boards",
    "display_name",
    "gamification",
    "goal_measure",
    "goal_target",
    "goal_by",
)


def read_preference(columns: Sequence[Any]) -> Preference | None:
    """The preference of these columns; None where all of them are null."""
    revision, issued_at, boards, display_name, gamification, measure, target, by = columns
    if revision is None:
        return None
    goal = None if measure is None else Goal(measure, target, by)
    return Preference(revision, issued_at, boards, display_name, gamification, goal)


def preference_row(user_id: str, preference: Preference) -> tuple[Any, ...]:
    """The row of a learner's preference, `user_id` first."""
    *chosen, goal = preference
    return (user_id, *chosen, *(goal or (None, None, None)))
