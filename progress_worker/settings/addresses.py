"""Types for addresses and names in settings. Each is checked before anybody connects to it."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError

_LAST_PORT = 65_535
#: A browser leaves these out of an origin.
_DEFAULT_PORTS = {("http", "80"), ("https", "443")}
POSTGRES_SCHEMES = {"postgresql", "postgres", "postgresql+psycopg"}
_is_host = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::([1-9][0-9]{0,4}))?").fullmatch
_is_broker = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:/\[\]\s]+):([0-9]{1,5})").fullmatch
_is_origin = re.compile(
    r"(https?)://(?:\[[0-9a-f:.]+\]|[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::([1-9][0-9]{0,4}))?"
).fullmatch
_is_topic = re.compile(r"[A-Za-z0-9._-]{1,249}").fullmatch
_BLANK = re.compile(r"[\s\x00-\x1f]").search
_HALF_ENCODED = re.compile("%(?![0-9A-Fa-f]{2})").search


def libpq_url(url: str) -> str:
    """The same address in the form that psycopg and libpq read."""
    _, separator, rest = url.partition("://")
    return f"postgresql{separator}{rest}"


def _is_server(host: str) -> bool:
    found = _is_host(host)
    return found is not None and int(found[1] or 0) <= _LAST_PORT


def _is_misread(url: str) -> bool:
    """Whether a part of the user or the password would be taken for a host, port or path.

    Errors would then quote that part.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if _HALF_ENCODED(parts.netloc) or not all(map(_is_server, hosts)):
        return True
    elsewhere = parts.path if "@" in parts.netloc else parts.path + parts.query + parts.fragment
    return parts.netloc.count("@") > 1 or "@" in elsewhere


def _postgres_url(url: SecretStr) -> SecretStr:
    value = url.get_secret_value()
    if value.partition("://")[0] not in POSTGRES_SCHEMES:
        raise PydanticCustomError("database_url", "it must begin with postgresql://")
    if _BLANK(value):
        raise PydanticCustomError(
            "database_url", "it holds a blank or a line break: remove it, or write it as %20"
        )
    if _is_misread(value):
        raise PydanticCustomError(
            "database_url",
            "its port is not a number from 1 to 65535, or its user or password holds a character "
            "that must be percent-encoded",
        )
    return url


#: Holds a secret.
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]


def _bootstrap_servers(servers: str) -> str:
    """Check each address, and remove the blanks around the commas."""
    addresses = [address.strip() for address in servers.split(",")]
    for address in addresses:
        if "://" in address:
            raise PydanticCustomError(
                "bootstrap", "it must be host:port, without a scheme such as kafka://"
            )
        broker = _is_broker(address)
        if broker is None or not 1 <= int(broker[1]) <= _LAST_PORT:
            raise PydanticCustomError(
                "bootstrap",
                "it must be host:port with a port from 1 to 65535, or several separated by commas",
            )
    return ",".join(addresses)


def is_http_url(url: str) -> bool:
    """Whether it is an address like https://host:port/path."""
    try:
        parts = urlsplit(url)
        well = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return well and not _BLANK(url)


def _http_url(url: str) -> str:
    if not is_http_url(url):
        raise PydanticCustomError("http_url", "it must be an address like https://host:port/path")
    return url


def _origins(origins: str) -> str:
    """Check each origin, and remove the blanks around the commas."""
    listed = [origin.strip() for origin in origins.split(",")]
    for origin in listed:
        found = _is_origin(origin)
        if found is None or int(found[2] or 0) > _LAST_PORT:
            raise PydanticCustomError(
                "origins",
                "each origin must be https://host or https://host:port, or the same with http, in "
                "lower case, without a path and without a wildcard; commas separate several",
            )
        if found.groups() in _DEFAULT_PORTS:
            raise PydanticCustomError(
                "origins", "leave out the ports 443 of https and 80 of http, as browsers do"
            )
    return ",".join(listed)


def _topic_name(name: str) -> str:
    if not _is_topic(name) or name in {".", ".."}:
        raise PydanticCustomError(
            "topic",
            "a topic's name has 1 to 249 letters, digits, dots, underscores and hyphens",
        )
    return name


BootstrapServers = Annotated[str, AfterValidator(_bootstrap_servers)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
#: As a browser sends them in `Origin`, separated by commas.
OriginList = Annotated[str, AfterValidator(_origins)]
TopicName = Annotated[str, AfterValidator(_topic_name)]
