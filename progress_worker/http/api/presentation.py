"""Turns a learner's state into the answers about progress, achievements and skill levels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import asdict, replace

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.rarity import HolderCounts
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rules import Condition
from progress_worker.domain.skills import LEVELS, RANK
from progress_worker.domain.state import LearnerState, SkillLevel
from progress_worker.domain.totals import Totals
from progress_worker.http.api.locked import NO_PROGRESS, locked_badge, locked_status
from progress_worker.http.api.presentation_of_rarity import present_rarity
from progress_worker.http.api.presentation_of_streaks import streak_in_short
from progress_worker.http.api.responses import (
    AchievementCounts,
    AchievementsAnswer,
    AchievementStatus,
    AchievementSummary,
    Badge,
    BadgesAnswer,
    BadgeStatus,
    NextLevel,
    ProgressAnswer,
    RuleProgress,
    SkillLevelAnswer,
    SkillLevelsAnswer,
    TopicLevel,
    Unlocked,
)
from progress_worker.storage.read.views import Held, LearnerView, Stamp

#: The zone for learners whose completions name none.
DEFAULT_ZONE: Final = "UTC"
_RECENT: Final = 5
#: Most learners share the newest rule book, which has a few languages.
_MOST_PRESENTERS: Final = 64

#: The measure where the progress is hidden.
_HIDDEN: Final = "hidden"


class Standing(NamedTuple):
    """An achievement, its unlocks, and the progress of its rule."""

    achievement: Achievement
    held: Held | None
    progress: RuleProgress
    measure: str

    @property
    def is_masked(self) -> bool:
        """Whether the progress is hidden."""
        return self.measure == _HIDDEN


_Earned = TypeVar("_Earned")


def achievement_rows(stamp: Stamp) -> int:
    """How many rows an answer has if it lists every achievement."""
    return len(stamp.book.achievements)


@lru_cache(_MOST_PRESENTERS)
def presenter_of(book: RuleBook, language: str) -> Presenter:
    """The presenter of the rule book in one of its languages."""
    return Presenter(book, language)


class Presenter:
    """Answers from a learner's state by the learner's rule book, in one of its languages."""

    def __init__(self, book: RuleBook, language: str) -> None:
        self._texts = texts = book.texts(language)
        self._conditions = book.conditions
        self._level_rules = book.levels
        # Copies of these take a sixth of the time that new ones take.
        self._statuses = {found.id: locked_status(found, texts) for found in book.achievements}
        self._badges = {found.id: locked_badge(found, texts) for found in book.achievements}

    def progress(self, view: LearnerView, now: dt.datetime) -> ProgressAnswer:
        """A learner's progress at a glance."""
        overall = view.state.overall
        return ProgressAnswer(
            user_id=view.state.user_id,
            timezone=view.stamp.clock.name,
            as_of=now,
            gamification=view.stamp.gamification,
            exercises_completed=overall.completions,
            time_spent_seconds=overall.time_spent_seconds,
            average_grade=overall.average_grade,
            hints_used=overall.hints_used,
            streak=streak_in_short(view.state.streaks, view.stamp, now),
            achievements=self._summary(view),
            skill_levels=[
                TopicLevel(
                    topic=topic,
                    level=view.state.level(topic).level,
                    exercises_completed=totals.completions,
                    average_grade=totals.average_grade,
                )
                for topic, totals in _topics(view.state)
            ],
        )

    def achievements(
        self, view: LearnerView, holders: HolderCounts | None = None
    ) -> AchievementsAnswer:
        """Every achievement that the learner may see, and the progress towards it."""
        return AchievementsAnswer(
            user_id=view.state.user_id,
            totals=self._counts(view),
            achievements=[self.status(standing, holders) for standing in self.standings(view)],
        )

    def status(self, standing: Standing, holders: HolderCounts | None = None) -> AchievementStatus:
        """One achievement, and the progress towards it."""
        return replace(
            self._statuses[standing.achievement.id],
            unlocked=standing.held is not None,
            unlocked_at=standing.held and standing.held.first,
            occurrences=standing.held.times if standing.held else 0,
            last_unlocked_at=standing.held and standing.held.last,
            progress=standing.progress,
            progress_hidden=standing.is_masked,
            rarity=present_rarity(standing.achievement, holders),
        )

    def badges(self, view: LearnerView, holders: HolderCounts | None = None) -> BadgesAnswer:
        """Earned badges, latest first, and the others, nearest first."""
        standings = self.standings(view)
        others = [standing for standing in standings if standing.held is None]
        others.sort(key=lambda standing: -standing.progress.percent)
        counts = self._counts(view)
        return BadgesAnswer(
            user_id=view.state.user_id,
            points_earned=counts.points,
            points_available=sum(found.points for found in self._to_earn(view)),
            hidden=counts.hidden,
            earned=[
                self._badge(standing, holders)
                for _, standing in _latest_first(
                    (standing.held.last, standing)
                    for standing in standings
                    if standing.held is not None
                )
            ],
            available=[self._badge(standing, holders) for standing in others],
        )

    def skill_levels(self, view: LearnerView) -> SkillLevelsAnswer:
        """The level in every topic that has a completion."""
        return SkillLevelsAnswer(
            user_id=view.state.user_id,
            skill_levels=[
                self.skill_level(topic, totals, view.state.level(topic))
                for topic, totals in _topics(view.state)
            ],
        )

    def skill_level(self, topic: str, totals: Totals, skill: SkillLevel) -> SkillLevelAnswer:
        """The level in a topic, and the way to the next one."""
        return SkillLevelAnswer(
            topic=topic,
            level=skill.level,
            previous_level=skill.previous_level,
            level_updated_at=skill.updated_at,
            exercises_completed=totals.completions,
            average_grade=totals.average_grade,
            time_spent_seconds=totals.time_spent_seconds,
            next_level=self._next_level(RANK[skill.level] + 1, totals),
        )

    def _next_level(self, rank: int, totals: Totals) -> NextLevel | None:
        if rank == len(LEVELS):
            return None
        threshold = self._level_rules.threshold(LEVELS[rank])
        return NextLevel(
            level=LEVELS[rank],
            exercises_needed=max(0, threshold.exercises - totals.completions),
            grade_needed=threshold.mean_hundredths / 100,
        )

    def _listed(self, view: LearnerView) -> Sequence[tuple[Achievement, Condition]]:
        """What the rule book has; nothing of it for a learner who wants no game."""
        return self._conditions if view.stamp.shows_game else ()

    def standings(self, view: LearnerView) -> list[Standing]:
        """The learner's progress towards every listed achievement, in the rule book's order."""
        return [
            _standing(view, achievement, condition)
            for achievement, condition in self._listed(view)
            if _is_seen(view, achievement)
        ]

    def standing(self, view: LearnerView, achievement_id: str) -> Standing | None:
        """The same for one achievement; None where the learner may not know of it."""
        for achievement, condition in self._listed(view):
            if achievement.id == achievement_id and _is_seen(view, achievement):
                return _standing(view, achievement, condition)
        return None

    def _counts(self, view: LearnerView) -> AchievementCounts:
        unlocked = [found for found, _ in self._listed(view) if found.id in view.unlocks]
        locked = self._to_earn(view)
        return AchievementCounts(
            unlocked=len(unlocked),
            available=len(unlocked) + len(locked),
            hidden=sum(found.hidden is True for found in locked),
            points=sum(found.points * view.unlocks[found.id].times for found in unlocked),
        )

    def _to_earn(self, view: LearnerView) -> list[Achievement]:
        return [
            found
            for found, _ in self._listed(view)
            if found.id not in view.unlocks and found.status != "closed"
        ]

    def _badge(self, standing: Standing, holders: HolderCounts | None) -> Badge:
        status: BadgeStatus = "locked"
        if standing.held is not None:
            status = "earned"
        elif standing.progress.current > 0:
            status = "in_progress"
        return replace(
            self._badges[standing.achievement.id],
            status=status,
            earned_at=standing.held and standing.held.first,
            occurrences=standing.held.times if standing.held else 0,
            percent=standing.progress.percent,
            rarity=present_rarity(standing.achievement, holders),
        )

    def _summary(self, view: LearnerView) -> AchievementSummary:
        unlocked = _latest_first(
            (view.unlocks[found.id].last, found)
            for found, _ in self._listed(view)
            if found.id in view.unlocks
        )
        return AchievementSummary(
            **asdict(self._counts(view)),
            recent=[
                Unlocked(
                    id=found.id,
                    name=self._texts[found.id].name,
                    tier=found.tier,
                    points=found.points,
                    icon=found.icon,
                    unlocked_at=at,
                )
                for at, found in unlocked[:_RECENT]
            ],
        )


def _topics(state: LearnerState) -> list[tuple[str, Totals]]:
    return sorted(
        (topic, totals) for topic, totals in state.topics.items() if totals.completions > 0
    )


def _is_seen(view: LearnerView, achievement: Achievement) -> bool:
    return achievement.id in view.unlocks or achievement.is_open


def _standing(view: LearnerView, achievement: Achievement, condition: Condition) -> Standing:
    held = view.unlocks.get(achievement.id)
    if achievement.hidden == "progress" and held is None:
        return Standing(achievement, None, NO_PROGRESS, _HIDDEN)
    progress = condition.progress(view.state)
    percent = progress.percent if held is None else 100
    return Standing(
        achievement,
        held,
        RuleProgress(current=progress.current, target=progress.target, percent=percent),
        progress.measure,
    )


def _latest_first(
    unlocked: Iterable[tuple[dt.datetime, _Earned]],
) -> list[tuple[dt.datetime, _Earned]]:
    """Unlocks of the same moment keep the rule book's order."""
    return sorted(unlocked, key=lambda pair: pair[0], reverse=True)
