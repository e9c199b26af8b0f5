"""The travel guard: an hour of daylight saving is no travel, a flight over the date line is."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.every_rule import BOOK
from tests.folding import stored
from tests.histories import completion


def travelled(timezones: tuple[str, str], times: tuple[str, str]) -> list[str]:
    """The days that two completions excuse; they are on two days with one between them."""
    done = [
        completion(number, completed_at=dt.datetime.fromisoformat(time), timezone=timezone)
        for number, (timezone, time) in enumerate(zip(timezones, times, strict=True))
    ]
    assert (done[1].local_day - done[0].local_day).days == 2
    return [str(day) for day in stored(BOOK, done).loaded("ada").streaks.travelled]


@pytest.mark.parametrize("clock", ["00:30:00", "03:30:00", "12:00:00", "23:30:00"])
@pytest.mark.parametrize(
    ("timezone", "before", "after", "offsets"),
    [
        ("Europe/Berlin", "2026-03-28", "2026-03-30", ("+01:00", "+02:00")),
        ("Europe/Berlin", "2026-10-24", "2026-10-26", ("+02:00", "+01:00")),
        ("America/New_York", "2026-03-07", "2026-03-09", ("-05:00", "-04:00")),
        ("Australia/Lord_Howe", "2026-10-03", "2026-10-05", ("+10:30", "+11:00")),
    ],
)
def test_daylight_saving_is_no_travel(
    timezone: str, before: str, after: str, offsets: tuple[str, str], clock: str
) -> None:
    times = f"{before}T{clock}{offsets[0]}", f"{after}T{clock}{offsets[1]}"
    assert travelled((timezone, timezone), times) == []


def test_a_flight_over_the_date_line_is_travel() -> None:
    zones = "Pacific/Honolulu", "Pacific/Auckland"
    times = "2026-03-02T20:00:00-10:00", "2026-03-04T19:00:00+13:00"
    assert travelled(zones, times) == ["2026-03-03"]
    assert travelled(zones[::-1], ("2026-03-02T19:00:00+13:00", "2026-03-04T20:00:00-10:00")) == []
