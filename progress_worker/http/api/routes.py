"""The learner's paths. Each reads once and presents what it has read."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from progress_worker.http.api.presentation import Presenter, achievement_rows, presenter_of
from progress_worker.http.api.presentation_of_streaks import present_streak
from progress_worker.http.api.presentation_over_time import present_history, present_statistics
from progress_worker.http.api.responses import (
    AchievementsAnswer,
    BadgesAnswer,
    ProgressAnswer,
    SkillLevelAnswer,
    SkillLevelsAnswer,
)
from progress_worker.http.api.responses_of_streaks import StreakAnswer
from progress_worker.http.api.responses_over_time import HistoryAnswer, Period, StatisticsAnswer
from progress_worker.http.api.windows import (
    DAYS_OF_WEEK,
    DEFAULT_DAYS,
    MAX_DAYS,
    Range,
    earliest_today,
    last_shown,
    span,
)
from progress_worker.http.asking import USER_ID, Asked, of_learner
from progress_worker.http.endpoints import Endpoint
from progress_worker.http.parameters import (
    Parameter,
    one_of,
    read_date,
    text_of,
    text_schema,
    whole_number,
)
from progress_worker.http.problems import InvalidRequestError
from progress_worker.storage.read.views import Stamp

_PERIODS: Final[tuple[Period, ...]] = ("daily", "weekly", "monthly", "all")
_MAX_TOPIC: Final = 128
_DATE: Final = {"type": "string", "format": "date"}

PERIOD: Final[Parameter[Period]] = Parameter(
    "period",
    "Today, the last 7 or the last 30 local days, today included, or all. "
    "They end with the last active day where that is after today, as after a move to a "
    "zone that is behind.",
    one_of(_PERIODS),
    {"type": "string", "enum": list(_PERIODS), "default": "all"},
    "all",
    ("weekly",),
)
DAYS: Final[Parameter[int | None]] = Parameter(
    "days",
    "How many local days up to `end_date`; 30 when nothing is given. Not together with "
    "`start_date`.",
    whole_number(1, MAX_DAYS),
    {"type": "integer", "minimum": 1, "maximum": MAX_DAYS},
    None,
)
START_DATE: Final[Parameter[dt.date | None]] = Parameter(
    "start_date",
    "The first local day, at most 366 days before the last one.",
    read_date,
    _DATE,
    None,
    ("2026-11-01",),
)
END_DATE: Final[Parameter[dt.date | None]] = Parameter(
    "end_date",
    "The last local day. When not given: today, or the last active day where that is later, as "
    "after a move to a zone that is behind. Later days have no row.",
    read_date,
    _DATE,
    None,
    ("2026-11-23",),
)
LAST_DATE: Final[Parameter[dt.date | None]] = Parameter(
    "end_date",
    "The last local day, which may lie in the future. When not given: today, or the last active "
    "day where that is later.",
    read_date,
    _DATE,
    None,
    ("2026-12-31",),
)
TOPIC: Final[Parameter[str]] = Parameter(
    "topic",
    "The topic's name.",
    text_of(_MAX_TOPIC),
    text_schema(_MAX_TOPIC),
    "",
    ("algorithms",),
    "path",
)


async def progress(question: Asked) -> Response:
    """Totals, streak, latest achievements and skill levels at a glance."""
    return await question.answer(
        lambda reads: reads.learner(question.user_id),
        lambda found: _presenter(question, found.stamp).progress(found, question.now),
    )


async def achievements(question: Asked) -> Response:
    """Every achievement of the rule book, unlocked or not, with its progress."""
    return await question.answer(
        lambda reads: reads.learner(question.user_id),
        lambda found: _presenter(question, found.stamp).achievements(found, question.rarity),
        rows=achievement_rows,
    )


async def badges(question: Asked) -> Response:
    """Badges that were earned, and those that can still be earned."""
    return await question.answer(
        lambda reads: reads.learner(question.user_id),
        lambda found: _presenter(question, found.stamp).badges(found, question.rarity),
        rows=achievement_rows,
    )


async def statistics(question: Asked) -> Response:
    """Figures of a window of the learner's local days, and the trend of the last seven."""
    period, days = question.values[PERIOD], span(30, question.now)
    return await question.answer(
        lambda reads: reads.statistics(question.user_id, days.first, days.last),
        lambda found: present_statistics(found, question.user_id, period, question.now),
    )


async def history(question: Asked) -> Response:
    """A row for every local day of a range, idle days included."""
    wanted = _range(question, END_DATE)
    read = wanted.span(question.now)
    return await question.answer(
        lambda reads: reads.history(question.user_id, read.first, read.last),
        lambda found: present_history(found, question.user_id, wanted, question.now),
        check=lambda stamp: _check(wanted, last_shown(stamp, question.now)),
        rows=lambda _: _rows(wanted),
    )


async def streak(question: Asked) -> Response:
    """Streaks of days and weeks, freezes, the learner's goal, and each day of a range."""
    wanted = _range(question, LAST_DATE)
    return await question.answer(
        lambda reads: reads.streak(question.user_id, span(DAYS_OF_WEEK, question.now).first),
        lambda found: present_streak(found, question.user_id, wanted, question.now),
        check=lambda stamp: _check(wanted, last_shown(stamp, question.now)),
        rows=lambda _: _rows(wanted),
    )


async def skill_levels(question: Asked) -> Response:
    """The skill level in every topic with a completed exercise, and the way to the next one."""
    return await question.answer(
        lambda reads: reads.learner(question.user_id),
        lambda found: _presenter(question, found.stamp).skill_levels(found),
    )


async def skill_level(question: Asked) -> Response:
    """One topic's skill level. Everybody is a beginner in a topic that is new to them."""
    topic = question.values[TOPIC]
    return await question.answer(
        lambda reads: reads.topic(question.user_id, topic),
        lambda found: _presenter(question, found.stamp).skill_level(
            topic, found.totals, found.level
        ),
    )


def _presenter(question: Asked, stamp: Stamp) -> Presenter:
    return presenter_of(stamp.book, question.language(stamp))


def _range(question: Asked, end: Parameter[dt.date | None]) -> Range:
    """The range that was asked for. Refuses one that makes no sense for any learner."""
    values = question.values
    try:
        wanted = Range(values[DAYS], values[START_DATE], values[end])
    except ValueError as error:
        raise _wrong_range(error) from error
    _check(wanted, earliest_today(question.now))
    return wanted


def _rows(wanted: Range) -> int:
    """How many days the range has at most."""
    return MAX_DAYS if wanted.start else wanted.days or DEFAULT_DAYS


def _check(wanted: Range, last_shown: dt.date) -> None:
    try:
        wanted.window(last_shown)
    except ValueError as error:
        raise _wrong_range(error) from error


def _wrong_range(error: ValueError) -> InvalidRequestError:
    return InvalidRequestError([START_DATE.invalid(str(error))])


def _leads_to_topic(topic: str) -> dict[str, Any]:
    """The OpenAPI link from a topic at this place of an answer to the topic's skill level."""
    link = {
        "operationId": "skill_level",
        "parameters": {"topic": f"$response.body#{topic}"},
        "description": "The skill level in a topic of the answer. Pass the same `user_id`, if any.",
    }
    return {"links": {"skill_level": link}}


#: The same from the first achievement of an answer.
_LEADS_TO_ACHIEVEMENT: Final = {
    "links": {
        operation: {
            "operationId": operation,
            "parameters": {"id": "$response.body#/achievements/0/id"},
            "description": "An achievement of the answer. Pass the same `user_id`, if any.",
        }
        for operation in ("achievement", "explanation")
    }
}

_endpoint = partial(Endpoint, tag="progress", needs_token=True)

ENDPOINTS: Final = (
    _endpoint(
        "/api/progress",
        of_learner(progress),
        answer=ProgressAnswer,
        parameters=(USER_ID,),
        has_texts=True,
        about=_leads_to_topic("/skill_levels/0/topic"),
    ),
    _endpoint(
        "/api/progress/achievements",
        of_learner(achievements),
        answer=AchievementsAnswer,
        parameters=(USER_ID,),
        has_texts=True,
        has_rarity=True,
        about=_LEADS_TO_ACHIEVEMENT,
    ),
    _endpoint(
        "/api/progress/badges",
        of_learner(badges),
        answer=BadgesAnswer,
        parameters=(USER_ID,),
        has_texts=True,
        has_rarity=True,
    ),
    _endpoint(
        "/api/progress/statistics",
        of_learner(statistics),
        answer=StatisticsAnswer,
        parameters=(PERIOD, USER_ID),
        about=_leads_to_topic("/by_topic/0/topic"),
    ),
    _endpoint(
        "/api/progress/history",
        of_learner(history),
        answer=HistoryAnswer,
        parameters=(DAYS, START_DATE, END_DATE, USER_ID),
    ),
    _endpoint(
        "/api/progress/streak",
        of_learner(streak),
        answer=StreakAnswer,
        parameters=(DAYS, START_DATE, LAST_DATE, USER_ID),
    ),
    _endpoint(
        "/api/progress/skill-levels",
        of_learner(skill_levels),
        answer=SkillLevelsAnswer,
        parameters=(USER_ID,),
        about=_leads_to_topic("/skill_levels/0/topic"),
    ),
    _endpoint(
        "/api/progress/skill-levels/{topic}",
        of_learner(skill_level),
        answer=SkillLevelAnswer,
        parameters=(TOPIC, USER_ID),
    ),
)
