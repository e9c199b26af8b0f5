"""The learner's paths. Each reads once and presents what it has read."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.responses import Response

from progress_worker.domain.vocabulary import NO_NUL
from progress_worker.http.api.paths import ExactRoute
from progress_worker.http.api.presentation import Presenter, achievement_rows
from progress_worker.http.api.presentation_over_time import present_history, present_statistics
from progress_worker.http.api.responses import (
    AchievementsAnswer,
    BadgesAnswer,
    ProgressAnswer,
    SkillLevelAnswer,
    SkillLevelsAnswer,
)
from progress_worker.http.api.responses_over_time import HistoryAnswer, Period, StatisticsAnswer
from progress_worker.http.api.windows import (
    DEFAULT_DAYS,
    MAX_DAYS,
    Range,
    earliest_today,
    last_shown,
    span,
)
from progress_worker.http.context import Asked, asked, invalid
from progress_worker.storage.read.views import Stamp

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def _iso_date(value: str) -> dt.date:
    if not _DATE.fullmatch(value):
        raise ValueError("a date is written as in 2026-11-23")
    return dt.date.fromisoformat(value)


def _whole_number(value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise ValueError("a whole number is written as in 30")
    return int(value)


DayCount = Annotated[int, Field(ge=1, le=MAX_DAYS), BeforeValidator(_whole_number)]
LocalDate = Annotated[
    dt.date, BeforeValidator(_iso_date), WithJsonSchema({"type": "string", "format": "date"})
]
Question = Annotated[Asked, Depends(asked)]


class ReadRouter(APIRouter):
    """Read-only routes: HEAD works wherever GET does, and paths match exactly."""

    def __init__(self, route_class: type[ExactRoute] = ExactRoute, **options: Any) -> None:
        super().__init__(route_class=route_class, **options)

    def add_api_route(self, path: str, endpoint: Any, **options: Any) -> None:
        """Add the route for GET, and again for HEAD without documentation."""
        super().add_api_route(path, endpoint, **options)
        super().add_api_route(
            path, endpoint, **(options | {"methods": ["HEAD"], "include_in_schema": False})
        )


def _leads_to_topic(topic: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI link from a topic at this place of an answer to the topic's skill level."""
    link = {
        "operationId": "skill_level",
        "parameters": {"topic": f"$response.body#{topic}"},
        "description": "The skill level in a topic of the answer. Pass the same `user_id`, if any.",
    }
    return {200: {"links": {"skill_level": link}}}


router = ReadRouter(prefix="/api/progress", tags=["progress"])


@router.get(
    "",
    operation_id="progress",
    response_model=ProgressAnswer,
    responses=_leads_to_topic("/skill_levels/0/topic"),
)
async def progress(question: Question) -> Response:
    """Totals, streak, latest achievements and skill levels at a glance."""
    return await question.answer(
        lambda reads: reads.learner(question.user_id),
        lambda found: Presenter(found.stamp.book).progress(found, question.now),
    )


@router.get("/achievements", operation_id="achievements", response_model=AchievementsAnswer)
async def achievements(question: Question) -> Response:
    """Every achievement of the rule book, unlocked or not, with its progress."""
    return await question.answer(
        lambda reads: reads.learner(question.user_id),
        lambda found: Presenter(found.stamp.book).achievements(found),
        rows=achievement_rows,
    )


@router.get("/badges", operation_id="badges", response_model=BadgesAnswer)
async def badges(question: Question) -> Response:
    """Badges that were earned, and those that can still be earned."""
    return await question.answer(
        lambda reads: reads.learner(question.user_id),
        lambda found: Presenter(found.stamp.book).badges(found),
        rows=achievement_rows,
    )


@router.get(
    "/statistics",
    operation_id="statistics",
    response_model=StatisticsAnswer,
    responses=_leads_to_topic("/by_topic/0/topic"),
)
async def statistics(
    question: Question,
    period: Annotated[
        Period,
        Query(
            description="Today, the last 7 or the last 30 local days, today included, or all. "
            "They end with the last active day where that is after today, as after a move to a "
            "zone that is behind.",
            examples=["weekly"],
        ),
    ] = "all",
) -> Response:
    """Figures of a window of the learner's local days, and the trend of the last seven."""
    days = span(30, question.now)
    return await question.answer(
        lambda reads: reads.statistics(question.user_id, days.first, days.last),
        lambda found: present_statistics(found, question.user_id, period, question.now),
    )


@router.get("/history", operation_id="history", response_model=HistoryAnswer)
async def history(
    question: Question,
    days: Annotated[
        DayCount | None,
        Query(
            description="How many local days up to `end_date`; 30 when nothing is given. Not "
            "together with `start_date`.",
        ),
    ] = None,
    start_date: Annotated[
        LocalDate | None,
        Query(
            description="The first local day, at most 366 days before the last one.",
            examples=["2026-11-01"],
        ),
    ] = None,
    end_date: Annotated[
        LocalDate | None,
        Query(
            description="The last local day. When not given: today, or the last active day where "
            "that is later, as after a move to a zone that is behind. Later days have no row.",
            examples=["2026-11-23"],
        ),
    ] = None,
) -> Response:
    """A row for every local day of a range, idle days included."""
    try:
        wanted = Range(days, start_date, end_date)
        wanted.window(earliest_today(question.now))
    except ValueError as error:
        raise invalid("start_date", str(error)) from error
    read = wanted.span(question.now)

    def check(stamp: Stamp) -> None:
        try:
            wanted.window(last_shown(stamp, question.now))
        except ValueError as error:
            raise invalid("start_date", str(error)) from error

    return await question.answer(
        lambda reads: reads.history(question.user_id, read.first, read.last),
        lambda found: present_history(found, question.user_id, wanted, question.now),
        check=check,
        rows=lambda _: MAX_DAYS if start_date else days or DEFAULT_DAYS,
    )


@router.get(
    "/skill-levels",
    operation_id="skill_levels",
    response_model=SkillLevelsAnswer,
    responses=_leads_to_topic("/skill_levels/0/topic"),
)
async def skill_levels(question: Question) -> Response:
    """The skill level in every topic with a completed exercise, and the way to the next one."""
    return await question.answer(
        lambda reads: reads.learner(question.user_id),
        lambda found: Presenter(found.stamp.book).skill_levels(found),
    )


@router.get(
    "/skill-levels/{topic:any_text}", operation_id="skill_level", response_model=SkillLevelAnswer
)
async def skill_level(
    question: Question,
    topic: Annotated[
        str,
        Path(
            min_length=1,
            max_length=128,
            pattern=NO_NUL,
            description="The topic's name.",
            examples=["algorithms"],
        ),
    ],
) -> Response:
    """One topic's skill level. Everybody is a beginner in a topic that is new to them."""
    return await question.answer(
        lambda reads: reads.topic(question.user_id, topic),
        lambda found: Presenter(found.stamp.book).skill_level(topic, found.totals, found.level),
    )
