"""A plain, slow reader of exercise-completed: Python's own parsers, one rule per line."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.resources import files
from typing import Any, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo

from progress_worker.domain.completion import Completion

_ZONES = set(files("tzdata").joinpath("zones").read_text("utf-8").split())
_HYPHENATED = "-".join(f"[0-9a-fA-F]{{{count}}}" for count in (8, 4, 4, 4, 12))
_UUID = re.compile(
    rf"{_HYPHENATED}|[0-9a-fA-F]{{32}}|urn:uuid:{_HYPHENATED}|\{{{_HYPHENATED}\}}", re.ASCII
)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


class RefusedError(Exception):
    """The record breaks the contract."""


def read(
    value: bytes, now: dt.datetime, *, ce_id: str | None, max_future_seconds: float
) -> Completion:
    """The completion of a value in binary mode or, without a `ce_id`, of a bare one."""
    return _completion(_object(parse(value)), now, ce_id, max_future_seconds)


def read_structured(value: bytes, now: dt.datetime, *, max_future_seconds: float) -> Completion:
    """The completion of an event in structured mode."""
    event = _object(parse(value))
    for name in ("specversion", "id", "source", "type"):
        _require(isinstance(event.get(name), str) and event[name] != "")
    _require(event["specversion"] == "1.0" and event["type"] == "exercise.completed.v1")
    media_type = event.get("datacontenttype")
    _require(media_type is None or (isinstance(media_type, str) and _is_json(media_type)))
    data, encoded = event.get("data"), event.get("data_base64")
    if encoded is not None:
        _require(data is None and isinstance(encoded, str))
        try:
            data = parse(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            raise RefusedError from None
    _walk(data, lambda part: not isinstance(part, float) or math.isfinite(part))
    return _completion(_object(data), now, event["id"], max_future_seconds)


def parse(value: bytes) -> Any:
    """Any JSON value; the last of two members with one name counts."""
    try:
        parsed = json.loads(value.decode(), parse_constant=_refuse, object_pairs_hook=_members)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise RefusedError from None
    _walk(parsed, _has_no_surrogate)
    return parsed


def depth(value: bytes) -> int:
    """How deep lists and objects may lie within each other, at most."""
    deepest = now = 0
    for byte in value:
        now += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, now)
    return deepest


def _completion(
    event: dict[str, Any], now: dt.datetime, ce_id: str | None, max_future_seconds: float
) -> Completion:
    shown = _time(event.get("completed_at"))
    try:
        completed_at = shown.astimezone(dt.UTC)
    except OverflowError:
        raise RefusedError from None
    _require(dt.datetime(2000, 1, 1, tzinfo=dt.UTC) <= completed_at)
    _require((completed_at - now).total_seconds() <= max_future_seconds)
    timezone = event.get("timezone")
    _require(timezone is None or (isinstance(timezone, str) and timezone in _ZONES))
    difficulty: Any = event.get("difficulty")
    revoked: Any = event.get("revoked", False)
    _require(difficulty in ("easy", "medium", "hard") and isinstance(revoked, bool))
    local = shown if timezone is None else shown.astimezone(ZoneInfo(timezone))
    starts, cohort = event.get("day_starts_at"), event.get("cohort")
    hour = None if starts is None else _whole(starts, 23)
    return Completion(
        user_id=_text(event, "user_id", 128),
        event_id=_event_id(event, ce_id),
        revision=_whole(event.get("revision", 0), 2**31 - 1),
        revoked=revoked,
        exercise_id=_text(event, "exercise_id", 256),
        topic=_text(event, "topic", 128),
        difficulty=difficulty,
        grade_hundredths=_grade(event),
        time_spent_seconds=_whole(event.get("time_spent_seconds"), 86_400),
        hints_used=_whole(event.get("hints_used"), 1_000),
        completed_at=completed_at,
        timezone=timezone,
        local_day=(local.replace(tzinfo=None) - dt.timedelta(hours=hour or 0)).date(),
        utc_offset_minutes=_minutes(local.utcoffset()),
        day_starts_at=hour,
        cohort=None if cohort is None else _text(event, "cohort", 128),
        local_day_hour=hour or 0,
    )


def _event_id(event: dict[str, Any], ce_id: str | None) -> UUID:
    event_id = event.get("event_id")
    if event_id is None:
        _require("revision" not in event and ce_id is not None)
        _require(re.fullmatch(_HYPHENATED, ce_id or "") is not None)
        return UUID(ce_id)
    _require(isinstance(event_id, str) and _UUID.fullmatch(event_id) is not None)
    return UUID(event_id)


def _text(event: dict[str, Any], name: str, longest: int) -> str:
    text = event.get(name)
    _require(isinstance(text, str) and 1 <= len(text) <= longest and "\0" not in text)
    return str(text)


def _minutes(offset: dt.timedelta | None) -> int:
    assert offset is not None
    return int(offset / dt.timedelta(minutes=1))


def _whole(number: object, highest: int) -> int:
    _require(isinstance(number, int | float) and not isinstance(number, bool))
    assert isinstance(number, int | float)
    _require(0 <= number <= highest and number == int(number))
    return int(number)


def _grade(event: dict[str, Any]) -> int | None:
    _require("grade" in event)
    grade = event["grade"]
    if grade is None:
        return None
    _require(isinstance(grade, int | float) and not isinstance(grade, bool) and 0 <= grade <= 100)
    return int((Decimal(repr(float(grade))) * 100).to_integral_value(ROUND_HALF_EVEN))


def _time(written: object) -> dt.datetime:
    found = _TIME.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise RefusedError
    *numbers, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    offset = dt.timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    _require(int(hours or 0) < 24 and int(minutes or 0) < 60)
    try:
        return dt.datetime(
            year,
            month,
            day,
            hour,
            minute,
            second,
            microsecond=int((fraction or "").ljust(6, "0")[:6]),
            tzinfo=dt.timezone(-offset if sign == "-" else offset),
        )
    except ValueError:
        raise RefusedError from None


def _is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence in ("application/json", "text/json") or essence.endswith("+json")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Members that a later one overwrites must be valid text too."""
    for _name, content in pairs:
        _walk(content, _has_no_surrogate)
    return dict(pairs)


def _has_no_surrogate(part: object) -> bool:
    return not (isinstance(part, str) and any("\ud800" <= letter <= "\udfff" for letter in part))


def _walk(part: object, holds: Callable[[object], bool]) -> None:
    _require(holds(part))
    if isinstance(part, dict):
        for name, inner in part.items():
            _require(holds(name))
            _walk(inner, holds)
    elif isinstance(part, list):
        for inner in part:
            _walk(inner, holds)


def _object(parsed: object) -> dict[str, Any]:
    _require(isinstance(parsed, dict))
    assert isinstance(parsed, dict)
    return parsed


def _refuse(_word: str) -> NoReturn:
    raise RefusedError


def _require(holds: bool) -> None:
    if not holds:
        raise RefusedError
