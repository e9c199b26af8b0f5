"""Turns what the page reads into what its template shows, by the answers of the JSON paths."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from progress_worker.domain.calendar import today
from progress_worker.domain.skills import LEVELS
from progress_worker.domain.state import SkillLevel
from progress_worker.domain.totals import Totals
from progress_worker.http.api.presentation import Presenter, Standing
from progress_worker.http.api.responses import (
    Badge,
    BadgesAnswer,
    NextLevel,
    ProgressAnswer,
    RuleProgress,
    SkillLevelAnswer,
)
from progress_worker.http.api.windows import Window, earliest_today, last_shown
from progress_worker.http.page.drawings import Bar, Month, draw_bars, draw_months, months_until
from progress_worker.http.page.text import counted, duration, grade, number
from progress_worker.storage.read.views import PageView

_NEAREST: Final = 4
_NOUNS: Final = {
    "exercises_completed": "exercise",
    "longest_streak_days": "day in a row",
    "distinct_topics": "topic",
    "topics_at_level": "topic",
    "parts_met": "step",
}


@dataclass(frozen=True, slots=True)
class NearBadge:
    """A badge that is not earned yet, and its progress in words."""

    badge: Badge
    progress: RuleProgress
    way: str


@dataclass(frozen=True, slots=True)
class Skill:
    """A topic's level, its rank (1 to 4), and the way to the next one in words and in percent."""

    level: SkillLevelAnswer
    rank: int
    way: str
    percent: int


@dataclass(frozen=True, slots=True)
class PageContent:
    """Everything that the page shows."""

    today: dt.date
    progress: ProgressAnswer
    months: list[Month]
    bars: list[Bar]
    skills: list[Skill]
    badges: BadgesAnswer
    nearest: list[NearBadge]
    first_level: NextLevel | None

    @property
    def is_new(self) -> bool:
        """Whether there is nothing to show yet."""
        return self.progress.exercises_completed == 0 and not self.badges.earned

    @property
    def is_active_this_week(self) -> bool:
        """Whether one of the last seven days has an exercise."""
        return any(bar.totals.completions for bar in self.bars)

    @property
    def active_days(self) -> int:
        """The active days of the calendar."""
        return sum(month.active_days for month in self.months)


def days_to_read(now: dt.datetime) -> Window:
    """The days to read so that the calendar can be drawn in any zone."""
    return Window(months_until(earliest_today(now)).first, dt.date.max)


def present_page(view: PageView, now: dt.datetime) -> PageContent:
    """The page of a learner; the view's days span the calendar."""
    learner = view.learner
    presenter = Presenter(learner.stamp.book)
    local, last = today(learner.stamp.timezone, now), last_shown(learner.stamp, now)
    levels = presenter.skill_levels(learner).skill_levels
    badges = presenter.badges(learner)
    standings = {found.achievement.id: found for found in presenter.standings(learner)}
    return PageContent(
        today=local,
        progress=presenter.progress(learner, now),
        months=draw_months(view.days, local, last),
        bars=draw_bars(view.days, local, last),
        skills=[_skill(level) for level in sorted(levels, key=lambda x: -x.exercises_completed)],
        badges=badges,
        nearest=[_near(badge, standings[badge.id]) for badge in _nearest(badges)],
        first_level=presenter.skill_level("", Totals(), SkillLevel()).next_level,
    )


def _nearest(badges: BadgesAnswer) -> list[Badge]:
    """The badges with the most progress. Among equal ones, those with the lowest target."""
    return sorted(badges.available, key=lambda badge: (-badge.percent, badge.points))[:_NEAREST]


def _near(badge: Badge, standing: Standing) -> NearBadge:
    return NearBadge(badge, standing.progress, _measured(standing.measure, standing.progress))


def _measured(measure: str, progress: RuleProgress) -> str:
    """As in `7 of 10 exercises`. A measure may end with its limitation in brackets."""
    kind = measure.partition("[")[0]
    if kind == "time_spent_seconds":
        return f"{duration(progress.current)} of {duration(progress.target)}"
    if kind not in _NOUNS:
        return f"{progress.percent}%"
    noun = _NOUNS[kind]
    if kind == "longest_streak_days":
        return f"{number(progress.current)} of {counted(progress.target, 'day')} in a row"
    return f"{number(progress.current)} of {counted(progress.target, noun)}"


def _skill(level: SkillLevelAnswer) -> Skill:
    way, percent = _way(level)
    return Skill(level, LEVELS.index(level.level) + 1, way, percent)


def _way(level: SkillLevelAnswer) -> tuple[str, int]:
    """What is missing to the next level in words, and how much of the way is done in percent."""
    wanted = level.next_level
    if wanted is None:
        return "The highest level. There is nothing above it but practice.", 100
    average, needed = level.average_grade, grade(wanted.grade_needed)
    more = counted(wanted.exercises_needed, "more exercise")
    if wanted.exercises_needed:
        target = level.exercises_completed + wanted.exercises_needed
        percent = level.exercises_completed * 100 // target
        if average is None:
            return f"{more} to {wanted.level}, with an average grade of at least {needed}.", percent
        if average >= wanted.grade_needed:
            return f"{more} to {wanted.level}. Keep the average at {needed} or above.", percent
        return (
            f"{more} to {wanted.level}, and an average of {needed} instead of {grade(average)}.",
            percent,
        )
    if average is None:
        return f"To {wanted.level} with the first grades, at an average of {needed} or more.", 0
    if average >= wanted.grade_needed:
        return f"The next exercise leads to {wanted.level}.", 100
    percent = int(average * 100 / wanted.grade_needed)
    return f"To {wanted.level}, raise the average from {grade(average)} to {needed}.", percent
