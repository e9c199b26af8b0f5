"""The export: complete, correct in a spreadsheet, from one moment, released when cut off."""

from __future__ import annotations

import csv
import io

import pytest

from tests.http.served import add_completions
from tests.http.stage import Stage

pytestmark = pytest.mark.integration

COLUMNS = [
    "event_id",
    "revision",
    "revoked",
    "exercise_id",
    "topic",
    "difficulty",
    "grade",
    "time_spent_seconds",
    "hints_used",
    "completed_at",
    "timezone",
    "local_day",
    "utc_offset_minutes",
    "day_starts_at",
    "cohort",
]


def rows_of(text: str) -> list[list[str]]:
    """A CSV file as a spreadsheet reads it."""
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


async def test_json_to_the_field(stage: Stage) -> None:
    later = await stage.complete("2026-11-23T10:00:00+02:00", grade=None, hints=3, seconds=7)
    earlier = await stage.complete(
        "2026-11-22T23:30:00Z", grade=87.25, timezone="Europe/Berlin", topic="c/c++"
    )
    await stage.complete(
        "2026-11-23T10:00:00+02:00", event_id=later, revision=2, revoked=True, grade=None
    )
    answer = await stage.get("/export")
    assert answer.headers["content-type"] == "application/json"
    disposition = 'attachment; filename="progress-2026-11-23.json"'
    assert answer.headers["content-disposition"] == disposition
    exported = answer.json()
    assert exported.pop("completions") == [
        {
            "event_id": str(earlier),
            "revision": 0,
            "revoked": False,
            "exercise_id": "two-sum",
            "topic": "c/c++",
            "difficulty": "easy",
            "grade": 87.25,
            "time_spent_seconds": 60,
            "hints_used": 0,
            "completed_at": "2026-11-22T23:30:00Z",
            "timezone": "Europe/Berlin",
            "local_day": "2026-11-23",
            "utc_offset_minutes": 60,
            "day_starts_at": None,
            "cohort": None,
        },
        {
            "event_id": str(later),
            "revision": 2,
            "revoked": True,
            "exercise_id": "two-sum",
            "topic": "algorithms",
            "difficulty": "easy",
            "grade": None,
            "time_spent_seconds": 60,
            "hints_used": 0,
            "completed_at": "2026-11-23T08:00:00Z",
            "timezone": None,
            "local_day": "2026-11-23",
            "utc_offset_minutes": 120,
            "day_starts_at": None,
            "cohort": None,
        },
    ]
    for name in ("days", "excuses", "preferences", "unlocks"):
        exported.pop(name)
    assert exported == {
        "schema": "urn:progress-worker:export:v1",
        "completions_kept_from": None,
        "progress": await stage.read(""),
        "achievements": await stage.read("/achievements"),
        "badges": await stage.read("/badges"),
        "statistics": {
            period: await stage.read("/statistics", period=period)
            for period in ("daily", "weekly", "monthly", "all")
        },
        "history": await stage.read("/history", days=366),
        "streak": await stage.read("/streak", days=366),
        "skill_levels": await stage.read("/skill-levels"),
    }


async def test_csv_to_the_field(stage: Stage) -> None:
    first = await stage.complete("2026-11-22T23:30:00Z", grade=87.25, timezone="Europe/Berlin")
    second = await stage.complete("2026-11-23T10:00:00.5Z", grade=None, difficulty="hard", hints=2)
    answer = await stage.get("/export", format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    disposition = 'attachment; filename="progress-2026-11-23.csv"'
    assert answer.headers["content-disposition"] == disposition
    assert answer.content.startswith(b"\xef\xbb\xbfevent_id,revision,")
    assert answer.text.count("\n") == answer.text.count("\r\n") == 3
    header, *cells = rows_of(answer.text)
    assert header == COLUMNS
    assert [",".join(row) for row in cells] == [
        f"{first},0,false,two-sum,algorithms,easy,87.25,60,0,"
        "2026-11-22T23:30:00+00:00,Europe/Berlin,2026-11-23,60,,",
        f"{second},0,false,two-sum,algorithms,hard,,60,2,"
        "2026-11-23T10:00:00.500000+00:00,,2026-11-23,0,,",
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
async def test_no_cell_is_a_formula(stage: Stage, start: str) -> None:
    hostile = f'{start}HYPERLINK("https://evil.test";"a,b")\n{start}1;"{start}2, {start}3'
    await stage.complete("2026-11-23T10:00:00Z", exercise_id=hostile, topic=hostile)
    table = rows_of((await stage.get("/export", format="csv")).text)
    assert len(table) == 2
    assert table[1][3:5] == [hostile.replace(start, f"'{start}")] * 2


async def test_no_piece_is_a_formula_where_a_spreadsheet_splits_at_semicolons(
    stage: Stage,
) -> None:
    await stage.complete(
        "2026-11-23T10:00:00Z", exercise_id="x;=cmd|'/C calc'!A0;y", topic="a;@SUM(A1)"
    )
    text = (await stage.get("/export", format="csv")).text
    row = list(csv.reader(io.StringIO(text), delimiter=";"))[1]
    assert [piece[:2] for piece in row[1:3]] == ["'=", "y,"]
    assert row[3].startswith("'@SUM(A1),easy,80.0,60,0,2026-11-23T10:00:00+00:00,")


async def test_unicode_and_quotes_survive(stage: Stage) -> None:
    names = ['Größe "x", 漢字', "😀\u202e", "a\r\nb", "'quoted"]
    for minute, name in enumerate(names):
        await stage.complete(f"2026-11-23T10:0{minute}:00Z", exercise_id=name)
    table = rows_of((await stage.get("/export", format="csv")).text)
    assert [row[3] for row in table[1:]] == names


async def test_a_learner_never_seen_has_an_empty_export(stage: Stage) -> None:
    assert (await stage.read("/export"))["completions"] == []
    assert rows_of((await stage.get("/export", format="csv")).text) == [COLUMNS]


async def test_several_chunks_are_one_document(stage: Stage) -> None:
    add_completions(stage.database, "ada", 1_234)
    exported = await stage.read("/export")
    table = rows_of((await stage.get("/export", format="csv")).text)
    assert [found["event_id"] for found in exported["completions"]] == [row[0] for row in table[1:]]
    assert len({row[0] for row in table[1:]}) == 1_234
