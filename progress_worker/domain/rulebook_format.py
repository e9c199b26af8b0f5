"""The format of a rule book: releases of an older one cannot read its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from progress_worker.domain.written import Written

#: The newest format that this release can read. A release that adds a key to rule books raises it.
FORMAT: Final = 5
#: The keys of a rule book and its parts that came after format 1.
_FORMAT_OF: Final = {
    "Achievement.goal": 2,
    "RuleBookFile.topics": 2,
    "RuleBookFile.day_starts_at": 3,
    "RuleBookFile.streak": 3,
    "RuleBookFile.excused": 3,
    "Rule.active_days": 3,
    "StreakReached.weeks": 3,
    "Achievement.family": 4,
    "Achievement.hidden": 4,
    "Achievement.requires": 4,
    "Achievement.status": 4,
    "TieredAchievement.tiers": 4,
    "ExercisesCompleted.max_seconds": 4,
    "ExercisesCompleted.between": 4,
    "ExercisesCompleted.weekdays": 4,
    "ExercisesCompleted.since": 4,
    "ExercisesCompleted.until": 4,
    "ExercisesCompleted.on": 4,
    "TimeSpent.difficulty": 4,
    "TimeSpent.min_grade": 4,
    "TimeSpent.max_hints": 4,
    "TimeSpent.max_seconds": 4,
    "TimeSpent.between": 4,
    "TimeSpent.weekdays": 4,
    "TimeSpent.since": 4,
    "TimeSpent.until": 4,
    "TimeSpent.on": 4,
    "Achievement.repeat": 5,
    "Achievement.revocation": 5,
    "TieredAchievement.revocation": 5,
    "ExercisesCompleted.within": 5,
    "ExercisesCompleted.distinct": 5,
    "TimeSpent.within": 5,
    "RuleBookFile.announce": 5,
    "RuleBookFile.language": 5,
    "TopicNames.translations": 5,
    "Achievement.translations": 5,
    "TieredAchievement.translations": 5,
    "AchievementTier.translations": 5,
}


def format_of(written: Written) -> int:
    """The lowest format that reads this rule book."""
    return max(_FORMAT_OF.get(key, 1) for key in _keys(written))


def format_that_added(model: str, field: str) -> int:
    """The format that added a field to a model."""
    return _FORMAT_OF.get(f"{model}.{field}", 1)


def _keys(written: Written) -> Iterator[str]:
    """All fields that are given, those of the parts included, each after its model's name."""
    for name in written.model_fields_set:
        yield f"{type(written).__name__}.{name}"
        value = getattr(written, name)
        if isinstance(value, dict):
            value = tuple(value.values())
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Written):
                yield from _keys(part)
