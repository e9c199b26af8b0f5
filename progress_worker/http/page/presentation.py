"""Turns what the page reads into what its templates show, by the answers of the JSON paths."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from progress_worker.domain.calendar import LocalClock
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.skills import LEVELS
from progress_worker.domain.state import LearnerState, SkillLevel
from progress_worker.domain.totals import Totals
from progress_worker.domain.vocabulary import DIFFICULTIES, Difficulty
from progress_worker.http.api.presentation import Standing, presenter_of
from progress_worker.http.api.presentation_of_streaks import present_streak
from progress_worker.http.api.responses import (
    Badge,
    BadgesAnswer,
    NextLevel,
    ProgressAnswer,
    RuleProgress,
    SkillLevelAnswer,
)
from progress_worker.http.api.windows import Range, Window, earliest_today, last_shown
from progress_worker.http.page.freezes import StreakNotes, end_of_days, streak_notes
from progress_worker.http.page.text import counted, duration, grade, number
from progress_worker.http.page.trend import Span, SpanName, draw_spans, first_with_practice
from progress_worker.http.page.voice import Voice
from progress_worker.http.page.year import Year, draw_year, months_until
from progress_worker.storage.read.views import PageView, StreakView

_NOUNS: Final = {
    "exercises_completed": "exercise",
    "distinct_topics": "topic",
    "topics_at_level": "topic",
    "parts_met": "step",
    "achievements_required": "required badge",
}


@dataclass(frozen=True, slots=True)
class EarnedBadge:
    """A badge that was earned, and what it was for."""

    badge: Badge
    text: str


@dataclass(frozen=True, slots=True)
class OpenBadge:
    """A badge that is not earned yet: how to earn it, and its progress in words."""

    badge: Badge
    goal: str
    progress: RuleProgress
    way: str


@dataclass(frozen=True, slots=True)
class Skill:
    """A topic's name and level, its rank (1 to 4), and the way to the next one."""

    name: str
    level: SkillLevelAnswer
    rank: int
    way: str
    percent: int


@dataclass(frozen=True, slots=True)
class DifficultyShare:
    """The exercises of a difficulty, and where its part of the bar is, in percent of the bar."""

    difficulty: Difficulty
    totals: Totals
    x: float
    percent: float


@dataclass(frozen=True, slots=True)
class PageContent:
    """Everything that the page shows. Its addresses keep the learner whom the reader asked for."""

    voice: Voice
    today: dt.date
    clock: LocalClock
    days_end: str
    progress: ProgressAnswer
    notes: StreakNotes
    excused_today: bool
    spans: list[Span]
    chosen: SpanName
    year: Year
    difficulties: list[DifficultyShare]
    skills: list[Skill]
    earned: list[EarnedBadge]
    open: list[OpenBadge]
    next_skill: Skill | None
    first_level: NextLevel | None
    export: str
    events: str

    @property
    def is_new(self) -> bool:
        """Whether there is nothing to show yet."""
        return self.progress.exercises_completed == 0 and not self.earned


def days_to_read(now: dt.datetime) -> Window:
    """The days to read so that the calendar and the trend can be drawn in any zone."""
    return Window(months_until(earliest_today(now)).first, dt.date.max)


def present_page(view: PageView, now: dt.datetime, voice: Voice) -> PageContent:
    """The page of a learner; the view's days span the calendar."""
    learner = view.learner
    stamp, streaks = learner.stamp, learner.state.streaks
    book, clock = stamp.book, stamp.clock
    presenter = presenter_of(book)
    year = months_until(last_shown(stamp, now))
    asked = Range(start=year.first, end=year.last)
    streak = present_streak(StreakView(stamp, streaks), learner.state.user_id, asked, now)
    statuses = {day.date: day.status for day in streak.days}
    spans = draw_spans(view.days, year)
    skills = [_skill(level, book) for level in presenter.skill_levels(learner).skill_levels]
    badges = presenter.badges(learner)
    standings = {found.achievement.id: found for found in presenter.standings(learner)}
    return PageContent(
        voice=voice,
        today=streak.today,
        clock=clock,
        days_end=end_of_days(clock, streak.today),
        progress=presenter.progress(learner, now),
        notes=streak_notes(streak, clock, excused=bool(streaks.excused_runs(book.streak_policy))),
        excused_today=statuses[streak.today] == "excused",
        spans=spans,
        chosen=first_with_practice(spans),
        year=draw_year(view.days, statuses, year),
        difficulties=_difficulties(learner.state),
        skills=sorted(skills, key=lambda skill: -skill.level.exercises_completed),
        earned=[_earned(badge, voice) for badge in badges.earned],
        open=[_open(badge, standings[badge.id], voice) for badge in _nearest_first(badges)],
        next_skill=_nearest_skill(skills),
        first_level=presenter.skill_level("", Totals(), SkillLevel()).next_level,
        export=_address("/export", voice, format="csv"),
        # The stream begins where the page ends, so nothing is missed and nothing is told twice.
        events=_address("/events", voice, last_event_id=str(stamp.version)),
    )


def _address(path: str, voice: Voice, **query: str) -> str:
    if voice.about is not None:
        query["user_id"] = voice.about
    return f"{path}?{urlencode(query)}"


def _nearest_first(badges: BadgesAnswer) -> list[Badge]:
    """The open badges. Among those with equal progress, the ones with the fewest points first."""
    return sorted(badges.available, key=lambda badge: (-badge.percent, badge.points))


def _nearest_skill(skills: Iterable[Skill]) -> Skill | None:
    ahead = [skill for skill in skills if skill.level.next_level]
    return max(ahead, key=lambda skill: skill.percent, default=None)


def _earned(badge: Badge, voice: Voice) -> EarnedBadge:
    text = badge.description if voice.about is None else badge.goal
    return EarnedBadge(badge, text or "")


def _open(badge: Badge, standing: Standing, voice: Voice) -> OpenBadge:
    # Descriptions speak to the learner who has the badge.
    goal = badge.goal or (badge.description if voice.about is None else "")
    return OpenBadge(badge, goal, standing.progress, _measured(standing))


def _measured(standing: Standing) -> str:
    """As in `7 of 10 exercises`. A measure may end with its limitation in brackets."""
    if standing.is_masked:
        return "How far it is stays hidden"
    progress = standing.progress
    kind = standing.measure.partition("[")[0]
    if kind == "time_spent_seconds":
        return f"{duration(progress.current)} of {duration(progress.target)}"
    if kind == "longest_streak_days":
        target = counted(progress.target, "day")
        return f"Longest streak: {number(progress.current)} of {target}"
    if kind not in _NOUNS:
        return f"{progress.percent}%"
    return f"{number(progress.current)} of {counted(progress.target, _NOUNS[kind])}"


def _difficulties(state: LearnerState) -> list[DifficultyShare]:
    sums = {difficulty: Totals() for difficulty in DIFFICULTIES}
    for (_, difficulty), totals in state.totals.items():
        sums[difficulty].merge(totals)
    shares, x = [], 0.0
    for difficulty, totals in sums.items():
        percent = 100 * totals.completions / (state.overall.completions or 1)
        shares.append(DifficultyShare(difficulty, totals, round(x, 2), round(percent, 2)))
        x += percent
    return shares


def _skill(level: SkillLevelAnswer, book: RuleBook) -> Skill:
    way, percent = _way(level)
    return Skill(book.topic_name(level.topic), level, LEVELS.index(level.level) + 1, way, percent)


def _way(level: SkillLevelAnswer) -> tuple[str, int]:
    """What is missing to the next level in words, and how much of the way is done in percent."""
    wanted = level.next_level
    if wanted is None:
        return "The highest level.", 100
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
