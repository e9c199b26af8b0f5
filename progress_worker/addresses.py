"""Addresses of Postgres that every reader takes apart in the same way."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError

POSTGRES_SCHEMES = {"postgresql", "postgres", "postgresql+psycopg"}
_is_host = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::[1-9][0-9]*)?").fullmatch
_HALF_ENCODED = re.compile("%(?![0-9A-Fa-f]{2})").search


def libpq_url(url: str) -> str:
    """The same address in the form that psycopg and libpq read."""
    _, separator, rest = url.partition("://")
    return f"postgresql{separator}{rest}"


def _is_misread(url: str) -> bool:
    """Whether a reader would take a part of the user or the password for something else.

    Such an address would be quoted in errors, piece by piece.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if _HALF_ENCODED(parts.netloc) or not all(map(_is_host, hosts)):
        return True
    elsewhere = parts.path if "@" in parts.netloc else parts.path + parts.query + parts.fragment
    return parts.netloc.count("@") > 1 or "@" in elsewhere


def _postgres_url(url: SecretStr) -> SecretStr:
    value = url.get_secret_value()
    if value.partition("://")[0] not in POSTGRES_SCHEMES:
        raise PydanticCustomError("database_url", "it must begin with postgresql://")
    if _is_misread(value):
        raise PydanticCustomError(
            "database_url",
            "its port is no number, or its user or password holds a character that has to be "
            "percent-encoded",
        )
    return url


#: Holds a secret.
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
