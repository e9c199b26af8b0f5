"""Turns what the page reads into what its templates show, by the answers of the JSON paths."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from progress_worker.domain.calendar import LocalClock
from progress_worker.domain.rarity import HolderCounts
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
    Rarity,
    RuleProgress,
    SkillLevelAnswer,
)
from progress_worker.http.api.windows import Range, Window, earliest_today, last_shown
from progress_worker.http.page.freezes import StreakNotes, end_of_days, streak_notes
from progress_worker.http.page.language import Language
from progress_worker.http.page.trend import Span, SpanName, draw_spans, first_with_practice
from progress_worker.http.page.voice import Voice
from progress_worker.http.page.year import Year, draw_year, months_until
from progress_worker.storage.read.views import PageView, StreakView

#: The texts for what a rule measures.
_WAYS: Final = {
    "longest_streak_days": "badges.longest",
    "longest_streak_weeks": "badges.longest_weeks",
    "active_days": "badges.days",
    "exercises_completed": "badges.exercises",
    "distinct_topics": "badges.topics",
    "topics_at_level": "badges.topics",
    "parts_met": "badges.steps",
    "achievements_required": "badges.required",
}


@dataclass(frozen=True, slots=True)
class EarnedBadge:
    """A badge that was earned, and what it was for."""

    badge: Badge
    text: str
    rarity: str


@dataclass(frozen=True, slots=True)
class OpenBadge:
    """A badge that is not earned yet: how to earn it, and its progress in words."""

    badge: Badge
    goal: str
    progress: RuleProgress
    way: str
    rarity: str


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
    """Everything that the page shows. Its addresses keep the learner whom the reader asked for.

    `texts_language` is the language of the rule book's texts.
    """

    voice: Voice
    texts_language: str
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
    def level_names(self) -> str:
        """The name of each skill level, as JSON for the script."""
        return json.dumps({level: self.voice.language.level(level) for level in LEVELS})

    @property
    def is_new(self) -> bool:
        """Whether there is nothing to show yet."""
        return self.progress.exercises_completed == 0 and not self.earned

    @property
    def shows_game(self) -> bool:
        """Whether the learner wants to see badges, points and what urges."""
        return self.progress.gamification != "off"


def days_to_read(now: dt.datetime) -> Window:
    """The days to read so that the calendar and the trend can be drawn in any zone."""
    return Window(months_until(earliest_today(now)).first, dt.date.max)


def present_page(
    view: PageView,
    now: dt.datetime,
    voice: Voice,
    texts_language: str,
    holders: HolderCounts | None = None,
) -> PageContent:
    """The page of a learner; the view's days span the calendar.

    `texts_language` is one of the rule book's languages.
    """
    language, learner = voice.language, view.learner
    stamp, streaks = learner.stamp, learner.state.streaks
    book, clock = stamp.book, stamp.clock
    presenter = presenter_of(book, texts_language)
    year = months_until(last_shown(stamp, now))
    asked = Range(start=year.first, end=year.last)
    streak = present_streak(StreakView(stamp, streaks), learner.state.user_id, asked, now)
    statuses = {day.date: day.status for day in streak.days}
    spans = draw_spans(view.days, year)
    skills = [
        Skill(
            book.topic_name(level.topic, texts_language),
            level,
            LEVELS.index(level.level) + 1,
            *_way(level, language),
        )
        for level in presenter.skill_levels(learner).skill_levels
    ]
    badges = presenter.badges(learner, holders)
    standings = {found.achievement.id: found for found in presenter.standings(learner)}
    return PageContent(
        voice=voice,
        texts_language=texts_language,
        today=streak.today,
        clock=clock,
        days_end=end_of_days(clock, streak.today, language),
        progress=presenter.progress(learner, now),
        notes=streak_notes(
            streak, clock, language, excused=bool(streaks.excused_runs(book.streak_policy))
        ),
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
    # Whoever earned it first since the last count knows better than the count.
    nobody = badge.rarity is not None and badge.rarity.holders == 0
    rarity = "" if nobody else _rarity(badge.rarity, voice.language)
    return EarnedBadge(badge, text or "", rarity)


def _open(badge: Badge, standing: Standing, voice: Voice) -> OpenBadge:
    # Descriptions speak to the learner who has the badge.
    goal = badge.goal or (badge.description if voice.about is None else "")
    way, rarity = _measured(standing, voice.language), _rarity(badge.rarity, voice.language)
    return OpenBadge(badge, goal, standing.progress, way, rarity)


def _rarity(rarity: Rarity | None, language: Language) -> str:
    """As in `Rare: 3% of learners`; empty where it is not known."""
    if rarity is None:
        return ""
    if not rarity.holders:
        return language.say("rarity.nobody")
    if not rarity.percent:
        return language.say("rarity.below", percent=language.grade(1))
    percent = language.grade(rarity.percent)
    return language.say("rarity.rare" if rarity.rare else "rarity.held", percent=percent)


def _measured(standing: Standing, language: Language) -> str:
    """As in `7 of 10 exercises`. A measure may end with its limitation in brackets."""
    if standing.is_masked:
        return language.say("badges.masked")
    progress = standing.progress
    kind = standing.measure.partition("[")[0]
    if kind == "time_spent_seconds":
        current, target = language.duration(progress.current), language.duration(progress.target)
        return language.say("badges.way", current=current, target=target)
    if kind not in _WAYS:
        return language.grade(progress.percent)
    current = language.number(progress.current)
    return language.say(_WAYS[kind], current=current, count=progress.target)


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


def _way(level: SkillLevelAnswer, language: Language) -> tuple[str, int]:
    """What is missing to the next level in words, and how much of the way is done in percent."""
    wanted, average = level.next_level, level.average_grade
    if wanted is None:
        return language.say("topics.highest"), 100
    is_enough = average is not None and average >= wanted.grade_needed
    if wanted.exercises_needed:
        target = level.exercises_completed + wanted.exercises_needed
        percent = level.exercises_completed * 100 // target
        key = "more_at_least" if average is None else "more_keep" if is_enough else "more_raise"
    elif average is None:
        key, percent = "first_grades", 0
    elif is_enough:
        key, percent = "next_exercise", 100
    else:
        key, percent = "raise", int(average * 100 / wanted.grade_needed)
    text = language.say(
        f"topics.{key}",
        count=wanted.exercises_needed,
        level=language.level(wanted.level),
        needed=language.grade(wanted.grade_needed),
        average=language.grade(average),
    )
    return text, percent
