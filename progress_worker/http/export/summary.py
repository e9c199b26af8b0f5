"""The parts of an export that other paths answer too."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from progress_worker.http.api.presentation import achievement_rows, presenter_of
from progress_worker.http.api.presentation_of_streaks import present_streak
from progress_worker.http.api.presentation_over_time import present_history, present_statistics
from progress_worker.http.api.responses import SkillLevelAnswer
from progress_worker.http.api.responses_of_export import (
    SCHEMA_ID,
    ExportedStatistics,
    ExportSummary,
)
from progress_worker.http.api.windows import DAYS_OF_WEEK, MAX_DAYS, Range, span
from progress_worker.http.export.exporting import Exporting
from progress_worker.storage.read.views import HistoryView, StatisticsView, StreakView

_YEAR: Final = Range(days=MAX_DAYS)


class Summary(NamedTuple):
    """The parts as a JSON object, and the skill levels among them."""

    json: bytes
    levels: list[SkillLevelAnswer]


async def summary(export: Exporting) -> Summary:
    """Read and present the parts."""
    now = export.reader.now
    days, year = span(30, now), _YEAR.span(now)
    statistics = await export.source.statistics(days.first, days.last)
    history = await export.source.history(year.first, year.last)
    streak = await export.source.streak(span(DAYS_OF_WEEK, now).first)

    def make() -> Summary:
        found = _present(export, statistics.decode(), history.decode(), streak.decode())
        return Summary(msgspec.json.encode(found), found.skill_levels.skill_levels)

    # The statistics are presented once for each period.
    once = (export.stored, history, streak)
    characters = sum(part.characters for part in once) + 4 * statistics.characters
    rows = 2 * MAX_DAYS + achievement_rows(export.stamp)
    return await export.computing.make(characters, make, rows=rows)


def _present(
    export: Exporting, statistics: StatisticsView, history: HistoryView, streak: StreakView
) -> ExportSummary:
    user_id, now, rarity = export.reader.user_id, export.reader.now, export.reader.rarity
    learner, stamp = export.view, export.stamp
    presenter = presenter_of(stamp.book, export.spoken.names)
    return ExportSummary(
        schema=SCHEMA_ID,
        completions_kept_from=learner.state.kept_from,
        progress=presenter.progress(learner, now),
        achievements=presenter.achievements(learner, rarity),
        badges=presenter.badges(learner, rarity),
        statistics=ExportedStatistics(
            daily=present_statistics(statistics, user_id, "daily", now),
            weekly=present_statistics(statistics, user_id, "weekly", now),
            monthly=present_statistics(statistics, user_id, "monthly", now),
            all=present_statistics(statistics, user_id, "all", now),
        ),
        history=present_history(history, user_id, _YEAR, now),
        streak=present_streak(streak, user_id, _YEAR, now),
        skill_levels=presenter.skill_levels(learner),
    )
