"""The public keys that sign tokens: read from a file or a URL, and kept when that fails."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import structlog
from jwt import PyJWK

from progress_worker import USER_AGENT
from progress_worker.errors import TransientError
from progress_worker.http.metrics import ViewMetrics
from progress_worker.settings.view import TokenSettings

#: The key type that each algorithm needs; a key never serves another algorithm.
KEY_TYPES: Final = {"RS256": "RSA", "ES256": "EC"}

#: A set with hundreds of keys and their certificates is smaller.
_MAX_BYTES: Final = 1_048_576
#: A key's private part: of no use here, and slow to work with.
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
#: Compressed, a small answer could become a huge one.
_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}

ReadKeys = Callable[[], Awaitable[list[PyJWK]]]


class SigningKeys:
    """A JWK set that is read on first use, when it has grown old, and for a key it lacks.

    One read runs at a time, and none sooner than `retry_seconds` after the one before, so that
    junk tokens cannot make us hammer the source. A set that was read replaces the one before, so
    a key that it no longer holds verifies nothing. When a read fails the last good keys stay.
    Raises TransientError when there are no keys yet and none can be read.
    """

    def __init__(
        self,
        read: ReadKeys,
        metrics: ViewMetrics,
        *,
        cache_seconds: float,
        retry_seconds: float,
    ) -> None:
        self._read = read
        self._metrics = metrics
        self._cache_seconds = cache_seconds
        self._retry_seconds = retry_seconds
        self._keys: list[PyJWK] | None = None
        self._good_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    async def find(self, algorithm: str, key_id: str | None) -> PyJWK | None:
        """The key of that id for that algorithm; without an id, the only one there is."""
        stale = time.monotonic() - self._good_at >= self._cache_seconds
        # One request waits for a slow source; the others go on with the keys they have.
        if stale and (self._keys is None or not self._reading.locked()):
            await self._refresh()
        found = self._match(algorithm, key_id)
        if found is None:
            await self._refresh()
            found = self._match(algorithm, key_id)
        if self._keys is None:
            raise TransientError("The keys that sign tokens cannot be read.")
        return found

    def _match(self, algorithm: str, key_id: str | None) -> PyJWK | None:
        usable = [key for key in self._keys or () if _serves(key, algorithm)]
        if key_id is None:
            return usable[0] if len(usable) == 1 else None
        return next((key for key in usable if key.key_id == key_id), None)

    async def _refresh(self) -> None:
        async with self._reading:
            if time.monotonic() - self._tried_at < self._retry_seconds:
                return
            self._tried_at = time.monotonic()
            try:
                self._keys = await self._read()
            except TransientError as error:
                self._metrics.key_refreshes.labels("failed").inc()
                structlog.get_logger().warning(
                    "view_key_refresh_failed", reason=str(error), kept=len(self._keys or ())
                )
                return
            self._good_at = self._tried_at
            self._metrics.key_refreshes.labels("ok").inc()


def key_reader(settings: TokenSettings) -> ReadKeys | None:
    """What reads the keys once, within the time limit; None when there is no source of keys.

    It raises TransientError with the reason, whatever is wrong with the source or its answer.
    """
    source: Callable[[], Awaitable[bytes]]
    if settings.jwt_jwks_file is not None:
        source = partial(asyncio.to_thread, _read_file, settings.jwt_jwks_file)
    elif settings.jwt_jwks_url is not None:
        source = partial(_read_url, settings.jwt_jwks_url)
    else:
        return None
    return partial(_read, source, settings.jwt_jwks_timeout_seconds)


def parse_keys(document: bytes) -> list[PyJWK]:
    """The public keys of a JWK set, which may be none. Raises ValueError if it is no such set.

    As RFC 7517 asks, a key that cannot be used is left out.
    """
    try:
        content = json.loads(document)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except ValueError as error:
        raise ValueError("it is not JSON") from error
    keys = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError("it is not a JWK set")
    return [key for jwk in keys if (key := _public_key(jwk)) is not None]


def _public_key(jwk: dict[str, Any]) -> PyJWK | None:
    public = {name: value for name, value in jwk.items() if name not in _PRIVATE}
    try:
        return PyJWK(public)
    except Exception:  # Neither PyJWT nor cryptography names all that they raise.
        return None


async def _read(source: Callable[[], Awaitable[bytes]], timeout_seconds: float) -> list[PyJWK]:
    try:
        async with asyncio.timeout(timeout_seconds):
            return parse_keys(await source())
    except TimeoutError as error:
        raise TransientError(f"it is not read within {timeout_seconds:g} s") from error
    except aiohttp.InvalidURL as error:
        raise TransientError("it is not a valid address") from error
    except OSError as error:
        raise TransientError(error.strerror or str(error)) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise TransientError(str(error) or type(error).__name__) from error


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return _bounded(file.read(_MAX_BYTES + 1))


async def _read_url(url: str) -> bytes:
    """The body of an answer with status 200. Redirects are not followed."""
    async with (
        aiohttp.ClientSession(headers=_HEADERS, auto_decompress=False, trust_env=True) as session,
        session.get(url, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"it answers with status {answer.status}")
        body = b""
        async for chunk in answer.content.iter_any():
            body = _bounded(body + chunk)
        return body


def _bounded(body: bytes) -> bytes:
    if len(body) > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES:,} bytes")
    return body


def _serves(key: PyJWK, algorithm: str) -> bool:
    return (
        key.key_type == KEY_TYPES[algorithm]
        and key.algorithm_name == algorithm
        and key.public_key_use in {"sig", None}
    )
