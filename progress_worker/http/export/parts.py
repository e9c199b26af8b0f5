"""The lists of an export: each is a field of its JSON and a CSV file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from msgspec.structs import asdict
from sqlalchemy import ClauseElement

from progress_worker.domain.completion import Completion
from progress_worker.domain.totals import Totals
from progress_worker.http.api.fields import Answer
from progress_worker.http.api.responses_of_export import (
    ExportedCompletion,
    ExportedDay,
    ExportedExcuse,
    ExportedPreferences,
)
from progress_worker.http.export.exporting import Exporting
from progress_worker.http.export.unlocks import UNLOCK_COLUMNS, unlock_cells, unlock_rows
from progress_worker.storage.read.tables import COMPLETIONS, DAYS, EXCUSES, PREFERENCE_ROWS

#: Fields of the same name and value in the table.
_OF_COMPLETION: Final = tuple(
    name for name in ExportedCompletion.__struct_fields__ if name != "grade"
)


class Part(NamedTuple):
    """A list: its name in JSON and as a file, what it is, its rows, and their CSV cells."""

    name: str
    about: str
    rows: Callable[[Exporting], AsyncIterator[Sequence[Answer]]]
    columns: tuple[str, ...]
    cells: Callable[[Any], Iterable[object]]


def _table(
    name: str,
    about: str,
    statement: ClauseElement,
    model: type[Answer],
    present: Callable[[Any], Answer],
) -> Part:
    """A list that has a row for each row of a statement, and a column for each field."""

    async def rows(export: Exporting) -> AsyncIterator[Sequence[Answer]]:
        async for found in export.rows(statement):
            yield list(map(present, found))

    return Part(name, about, rows, model.__struct_fields__, values_of)


def values_of(row: Answer) -> Iterable[object]:
    """The values of all fields."""
    return asdict(row).values()


def _completion(row: Sequence[Any]) -> ExportedCompletion:
    found = Completion._make(row)
    fields = {name: getattr(found, name) for name in _OF_COMPLETION}
    return ExportedCompletion(**fields, grade=grade_of(found))


def grade_of(found: Completion) -> float | None:
    """The grade in percent; None when not graded."""
    return None if found.grade_hundredths is None else found.grade_hundredths / 100


def _day(row: Sequence[Any]) -> ExportedDay:
    day, topic, difficulty, *numbers = row
    sums = Totals(*numbers)
    return ExportedDay(
        local_day=day,
        topic=topic,
        difficulty=difficulty,
        exercises_completed=sums.completions,
        exercises_graded=sums.graded,
        average_grade=sums.average_grade,
        exercises_passed=sums.passed,
        time_spent_seconds=sums.time_spent_seconds,
        hints_used=sums.hints_used,
    )


def _same(model: type[Answer], row: Any) -> Answer:
    """The fields are columns."""
    return model(**{name: getattr(row, name) for name in model.__struct_fields__})


COMPLETIONS_PART: Final = _table(
    "completions",
    "every completed exercise at its highest revision, oldest first; those that were taken back "
    "are marked as revoked",
    COMPLETIONS,
    ExportedCompletion,
    _completion,
)
#: In the order of the fields of `ExportAnswer`.
PARTS: Final = (
    COMPLETIONS_PART,
    _table(
        "days",
        "how much was done on each of your days, by topic and difficulty",
        DAYS,
        ExportedDay,
        _day,
    ),
    _table(
        "excuses",
        "days that the platform excused, so that they cannot break a streak",
        EXCUSES,
        ExportedExcuse,
        partial(_same, ExportedExcuse),
    ),
    _table(
        "preferences",
        "what you chose about boards, badges and your goal; nothing if you chose nothing",
        PREFERENCE_ROWS,
        ExportedPreferences,
        partial(_same, ExportedPreferences),
    ),
    Part(
        "unlocks",
        "every unlocked achievement, when it was unlocked, and why",
        unlock_rows,
        UNLOCK_COLUMNS,
        unlock_cells,
    ),
)
