"""Local days by the pinned zone rules: known dates, and the standard library's own reading."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from importlib.resources import files
from pathlib import Path

import pytest

from progress_worker.domain.calendar import (
    DayStarts,
    LocalClock,
    UnknownTimezoneError,
    local_day,
    local_time,
    zone,
)

NAMES = files("tzdata").joinpath("zones").read_text("utf-8").split()
INSTANTS = [
    dt.datetime(2000, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 3, 29, 0, 59, 59, tzinfo=dt.UTC),
    dt.datetime(2026, 7, 1, 23, 30, tzinfo=dt.UTC),
    dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC),
    dt.datetime(2040, 2, 29, 12, 0, tzinfo=dt.UTC),
]


def test_every_zone_agrees_with_the_standard_library() -> None:
    """Reset to an empty search path, the standard library reads the package too."""
    search_path = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[])
    try:
        for name in NAMES:
            reference = zoneinfo.ZoneInfo.no_cache(name)
            for instant in INSTANTS:
                expected = instant.astimezone(reference).date()
                assert local_day(local_time(instant, name), 0) == expected, name
                assert LocalClock(name).day_of(instant) == expected, name
    finally:
        zoneinfo.reset_tzpath(to=search_path)


@pytest.mark.parametrize(
    ("instant", "name", "day"),
    [
        ("2026-03-28T22:59:59Z", "Europe/Berlin", "2026-03-28"),
        ("2026-03-28T23:00:00Z", "Europe/Berlin", "2026-03-29"),
        # The day of the change has 23 hours, the one in October 25.
        ("2026-03-29T21:59:59Z", "Europe/Berlin", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "Europe/Berlin", "2026-03-30"),
        ("2026-10-24T22:00:00Z", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T22:59:59Z", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T23:00:00Z", "Europe/Berlin", "2026-10-26"),
        ("2026-05-01T09:59:59Z", "Pacific/Kiritimati", "2026-05-01"),
        ("2026-05-01T10:00:00Z", "Pacific/Kiritimati", "2026-05-02"),
        ("2026-05-01T10:59:59Z", "Pacific/Pago_Pago", "2026-04-30"),
        ("2026-05-01T11:00:00Z", "Pacific/Pago_Pago", "2026-05-01"),
        ("2000-01-01T00:00:00Z", "Pacific/Pago_Pago", "1999-12-31"),
        # Samoa crossed the date line and had no 30th of December 2011.
        ("2011-12-30T09:59:59Z", "Pacific/Apia", "2011-12-29"),
        ("2011-12-30T10:00:00Z", "Pacific/Apia", "2011-12-31"),
    ],
)
def test_known_days(instant: str, name: str, day: str) -> None:
    found = local_day(local_time(dt.datetime.fromisoformat(instant), name), 0)
    assert found == dt.date.fromisoformat(day)


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-05-01T00:30:00+14:00", "2026-05-01"),
        ("2026-04-30T23:30:00-11:00", "2026-04-30"),
        ("2026-04-30T23:30:00Z", "2026-04-30"),
    ],
)
def test_without_a_zone_the_day_is_the_one_that_is_written(written: str, day: str) -> None:
    found = local_day(local_time(dt.datetime.fromisoformat(written), None), 0)
    assert found == dt.date.fromisoformat(day)


def test_a_named_zone_overrules_the_written_offset() -> None:
    written = dt.datetime.fromisoformat("2026-05-01T00:30:00+14:00")
    assert local_day(local_time(written, "UTC"), 0) == dt.date(2026, 4, 30)


def test_today_without_a_zone_is_read_in_utc() -> None:
    now = dt.datetime.fromisoformat("2026-05-01T00:30:00+14:00")
    assert LocalClock().day_of(now) == dt.date(2026, 4, 30)
    assert LocalClock(None, 14 * 60).day_of(now) == dt.date(2026, 5, 1)


@pytest.mark.parametrize(
    ("time", "day"),
    [("23:30", 1), ("00:30", 0), ("03:59:59.999999", 0), ("04:00", 1), ("12:00", 1)],
)
def test_the_hour_is_taken_from_the_wall_clock(time: str, day: int) -> None:
    local = dt.datetime.combine(dt.date(2026, 5, 1), dt.time.fromisoformat(time))
    assert local_day(local, 4) == dt.date(2026, 4, 30) + dt.timedelta(days=day)


def test_daylight_saving_does_not_move_the_start_of_the_day() -> None:
    """On 29 March clocks in Berlin go from 2:00 to 3:00, on 25 October from 3:00 back to 2:00."""
    for date, before, after in (
        (dt.date(2026, 3, 29), "01:59:59Z", "02:00:00Z"),
        (dt.date(2026, 10, 25), "02:59:59Z", "03:00:00Z"),
    ):
        clock = LocalClock("Europe/Berlin", hour=4)
        assert clock.start_of(date) == dt.datetime.fromisoformat(f"{date}T{after}")
        for time, day in ((before, date - dt.timedelta(days=1)), (after, date)):
            instant = dt.datetime.fromisoformat(f"{date}T{time}")
            assert local_day(local_time(instant, "Europe/Berlin"), 4) == day
            assert clock.day_of(instant) == day


def test_the_latest_start_that_is_not_after_the_date_counts() -> None:
    starts = DayStarts([(dt.date(2026, 1, 1), 4), (dt.date(2026, 6, 1), 3)])
    dates = (dt.date(2025, 12, 31), dt.date(2026, 1, 1), dt.date(2026, 5, 31), dt.date(2027, 1, 1))
    assert [starts.hour(date) for date in dates] == [0, 4, 4, 3]
    assert LocalClock(starts=starts).day_of(dt.datetime(2026, 6, 1, 3, tzinfo=dt.UTC)).day == 1
    assert LocalClock(starts=starts, hour=5).start_of(dt.date(2026, 6, 1)).hour == 5


@pytest.mark.parametrize(
    ("name", "hour", "day", "instant"),
    [
        ("Europe/Berlin", 0, "2026-07-01", "2026-06-30T22:00Z"),
        # The hour from 2:00 on was there twice, and the first one counts.
        ("Europe/Berlin", 2, "2026-10-25", "2026-10-25T00:00Z"),
        # The hour from 2:00 on was skipped.
        ("Europe/Berlin", 2, "2026-03-29", "2026-03-29T01:00Z"),
        # Midnight was skipped in Beirut and in Havana, and was there twice in Havana.
        ("Asia/Beirut", 0, "2026-03-29", "2026-03-28T22:00Z"),
        ("America/Havana", 0, "2026-03-08", "2026-03-08T05:00Z"),
        ("America/Havana", 0, "2026-11-01", "2026-11-01T04:00Z"),
        # Samoa had no 30th of December 2011.
        ("Pacific/Apia", 0, "2011-12-30", "2011-12-30T10:00Z"),
        ("Pacific/Apia", 12, "2011-12-30", "2011-12-30T10:00Z"),
        ("Pacific/Apia", 0, "2011-12-31", "2011-12-30T10:00Z"),
        ("Pacific/Apia", 4, "2011-12-31", "2011-12-30T14:00Z"),
        # Lord Howe Island moves its clocks by half an hour.
        ("Australia/Lord_Howe", 2, "2026-10-04", "2026-10-03T15:30Z"),
    ],
)
def test_a_day_starts_with_the_first_instant_that_its_clock_shows(
    name: str, hour: int, day: str, instant: str
) -> None:
    found = LocalClock(name, hour=hour).start_of(dt.date.fromisoformat(day))
    assert found == dt.datetime.fromisoformat(instant)


def test_a_day_ends_where_the_next_one_starts() -> None:
    starts = DayStarts([(dt.date(2026, 11, 24), 4)])
    clock = LocalClock("Europe/Berlin", starts=starts)
    assert clock.end_of(dt.date(2026, 11, 22)) == dt.datetime(2026, 11, 22, 23, tzinfo=dt.UTC)
    assert clock.end_of(dt.date(2026, 11, 23)) == dt.datetime(2026, 11, 24, 3, tzinfo=dt.UTC)
    assert clock.end_of(dt.date.max) == dt.datetime.max.replace(tzinfo=dt.UTC)
    assert LocalClock(None, 60).end_of(dt.date.max) == dt.datetime.max.replace(tzinfo=dt.UTC)


def test_in_every_zone_a_day_starts_where_the_days_change() -> None:
    for name in NAMES:
        for hour in (0, 2, 4, 23):
            clock = LocalClock(name, hour=hour)
            for date in (dt.date(2026, 3, 29), dt.date(2026, 10, 25), dt.date(2026, 7, 1)):
                start = clock.start_of(date)
                assert clock.day_of(start) >= date, name
                assert clock.day_of(start - dt.timedelta(microseconds=1)) < date, name


@pytest.mark.parametrize(
    ("clock", "name"),
    [
        (LocalClock("Asia/Tokyo", 60), "Asia/Tokyo"),
        (LocalClock(None, 120), "+02:00"),
        (LocalClock(None, -210), "-03:30"),
        (LocalClock(None, 0), "UTC"),
        (LocalClock(), "UTC"),
    ],
)
def test_the_name_of_a_clock(clock: LocalClock, name: str) -> None:
    assert clock.name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "europe/berlin",
        "EUROPE/BERLIN",
        "Europe",
        "Europe/",
        "/Europe/Berlin",
        "Europe//Berlin",
        "../zones",
        "Europe/../Europe/Berlin",
        "Europe\\Berlin",
        "tzdata.zi",
        "__init__.py",
        "Europe/Berlin ",
        "Europe/Berlin\0",
        "/etc/localtime",
        "+02:00",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownTimezoneError):
        zone(name)


def test_an_unknown_name_is_a_key_error_that_does_not_repeat_it() -> None:
    with pytest.raises(KeyError) as caught:
        zone("Secret/Place")
    assert "Secret" not in str(caught.value)


def test_a_zone_is_read_once() -> None:
    assert zone("Asia/Tokyo") is zone("Asia/Tokyo")
    assert zone("Asia/Tokyo").key == "Asia/Tokyo"


def test_the_systems_zone_files_are_not_used(tmp_path: Path) -> None:
    """A machine whose own files call Tokyo what we call UTC gives the same day as any other."""
    rules = files("tzdata").joinpath("zoneinfo", "UTC").read_bytes()
    (tmp_path / "Asia").mkdir()
    (tmp_path / "Asia" / "Tokyo").write_bytes(rules)
    search_path = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    zone.cache_clear()
    try:
        evening = dt.datetime(2026, 5, 1, 20, 0, tzinfo=dt.UTC)
        assert evening.astimezone(zoneinfo.ZoneInfo.no_cache("Asia/Tokyo")).day == 1
        assert local_time(evening, "Asia/Tokyo").date() == dt.date(2026, 5, 2)
    finally:
        zoneinfo.reset_tzpath(to=search_path)
