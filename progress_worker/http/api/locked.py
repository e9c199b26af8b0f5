"""Achievements as they are before they are unlocked: what the answers about learners start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.languages import Texts
from progress_worker.http.api.responses import (
    AchievementStatus,
    Badge,
    DescribedAchievement,
    RuleProgress,
)

#: What is shown where the progress is hidden.
NO_PROGRESS: Final = RuleProgress(current=0, target=1, percent=0)


def _described(achievement: Achievement, texts: Mapping[str, Texts]) -> dict[str, Any]:
    fields = {name: getattr(achievement, name) for name in DescribedAchievement.__struct_fields__}
    return fields | texts[achievement.id]._asdict()


def locked_status(achievement: Achievement, texts: Mapping[str, Texts]) -> AchievementStatus:
    """The achievement, locked and without progress."""
    return AchievementStatus(
        **_described(achievement, texts),
        unlocked=False,
        unlocked_at=None,
        occurrences=0,
        last_unlocked_at=None,
        progress=NO_PROGRESS,
        progress_hidden=False,
        rarity=None,
    )


def locked_badge(achievement: Achievement, texts: Mapping[str, Texts]) -> Badge:
    """The achievement as a locked badge."""
    return Badge(
        **_described(achievement, texts),
        status="locked",
        earned_at=None,
        occurrences=0,
        percent=0,
        rarity=None,
    )
