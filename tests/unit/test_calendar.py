"""Local days by the pinned zone rules: known dates, and the standard library's own reading."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from importlib.resources import files
from pathlib import Path

import pytest

from progress_worker.domain.calendar import UnknownTimezoneError, local_day, today, zone

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
                assert local_day(instant, name) == expected, name
                assert today(name, instant) == expected, name
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
    assert local_day(dt.datetime.fromisoformat(instant), name) == dt.date.fromisoformat(day)


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-05-01T00:30:00+14:00", "2026-05-01"),
        ("2026-04-30T23:30:00-11:00", "2026-04-30"),
        ("2026-04-30T23:30:00Z", "2026-04-30"),
    ],
)
def test_without_a_zone_the_day_is_the_one_that_is_written(written: str, day: str) -> None:
    assert local_day(dt.datetime.fromisoformat(written), None) == dt.date.fromisoformat(day)


def test_a_named_zone_overrules_the_written_offset() -> None:
    written = dt.datetime.fromisoformat("2026-05-01T00:30:00+14:00")
    assert local_day(written, "UTC") == dt.date(2026, 4, 30)


def test_today_without_a_zone_is_read_in_utc() -> None:
    now = dt.datetime.fromisoformat("2026-05-01T00:30:00+14:00")
    assert today(None, now) == dt.date(2026, 4, 30)


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
        assert local_day(evening, "Asia/Tokyo") == dt.date(2026, 5, 2)
    finally:
        zoneinfo.reset_tzpath(to=search_path)
