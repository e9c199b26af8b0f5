"""The types of fields that events have in common: how they are read and described."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, LiteralString

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from progress_worker.domain.vocabulary import NO_NUL

#: Revisions and other counts are stored as Postgres's integers.
MOST_REVISIONS: Final = 2**31 - 1

#: RFC 3339's date-time without leap seconds, which Python cannot represent.
RFC_3339: Final = (
    r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
#: A date of the years 2000 to 2100.
_ISO_DATE: Final = r"^(?:20[0-9]{2}|2100)-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$"


@dataclass(frozen=True)
class _Written:
    """Reads a text of this pattern. Pydantic alone would accept "1700000000", for example.

    `read` raises ValueError for what the calendar does not have, such as the 30th of February.
    """

    read: Callable[[str], object]
    format: str
    pattern: str
    error: LiteralString
    message: LiteralString

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern, strict=True),
            custom_error_type=self.error,
            custom_error_message=self.message,
        )
        return core_schema.no_info_after_validator_function(self._read, text)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": self.format, "pattern": self.pattern}

    def _read(self, text: str) -> object:
        try:
            return self.read(text)
        except ValueError:
            raise PydanticCustomError(self.error, self.message) from None


_INSTANT: Final = _Written(
    lambda text: dt.datetime.fromisoformat(text.upper()),
    "date-time",
    RFC_3339,
    "rfc_3339",
    "Input should be an RFC 3339 time with an offset",
)
_DATE: Final = _Written(
    dt.date.fromisoformat,
    "date",
    _ISO_DATE,
    "iso_date",
    "Input should be a date like 2026-12-24, of the years 2000 to 2100",
)


def _read_whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Whole:
    """Reads a whole number. To JSON Schema 60.0 is one, and some producers write it like that."""

    minimum: int
    maximum: int

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        whole = core_schema.int_schema(strict=True, ge=self.minimum, le=self.maximum)
        # The first choice runs in pydantic's own core, and nearly always fits.
        other = core_schema.no_info_before_validator_function(_read_whole, whole)
        return core_schema.union_schema([whole, other], mode="left_to_right")

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


#: An instant as a producer writes it; the value keeps the offset that was written.
Instant = Annotated[dt.datetime, _INSTANT]

#: A date of the years 2000 to 2100, written like 2026-12-24.
IsoDate = Annotated[dt.date, _DATE]

UserId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=NO_NUL,
        description="The learner; also the record key.",
        examples=["learner-17"],
    ),
]
