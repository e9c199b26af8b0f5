"""The public keys for tokens: read from a file or a URL, and kept if a later read fails."""

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

#: The key type of each algorithm. A key never verifies tokens of another algorithm.
KEY_TYPES: Final = {"RS256": "RSA", "ES256": "EC"}

#: The largest key set. One with hundreds of keys and their certificates is smaller.
_MAX_BYTES: Final = 1_048_576
#: The private parts of a key, which are not needed here and slow to load.
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
#: No compression, because a small answer could unpack to a huge one.
_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}

ReadKeys = Callable[[], Awaitable[list[PyJWK]]]


class SigningKeys:
    """A JWK set that is read at the first use, when it is old, and when it lacks a key.

    One read runs at a time, and none sooner than `retry_seconds` after the one before. So tokens
    with unknown keys cannot flood the source with requests. A set that was read replaces the one
    before, so a key that it no longer holds verifies nothing. If a read fails, the last good keys
    stay. Raises TransientError if there are no keys yet and none can be read.
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
        #: How often the set was replaced.
        self.reads = 0
        self._good_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def stale(self) -> bool:
        """Whether the set is due to be read again."""
        return time.monotonic() - self._good_at >= self._cache_seconds

    async def find(self, algorithm: str, key_id: str | None) -> PyJWK | None:
        """The key with this id for this algorithm. Without an id: the only key there is."""
        # One request waits for a slow source. The others use the present keys.
        if self.stale and (self._keys is None or not self._reading.locked()):
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
                self.reads += 1
            except TransientError as error:
                self._metrics.key_refreshes.labels("failed").inc()
                structlog.get_logger().warning(
                    "view_key_refresh_failed", reason=str(error), kept=len(self._keys or ())
                )
                return
            self._good_at = self._tried_at
            self._metrics.key_refreshes.labels("ok").inc()


def key_reader(settings: TokenSettings) -> ReadKeys | None:
    """A function that reads the keys once, within the time limit. None without a source of keys.

    The function raises TransientError with the reason if the source or its answer is wrong.
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
    """The public keys of a JWK set, which may be empty. Raises ValueError if it is not a JWK set.

    Leaves out keys that cannot be used, as RFC 7517 says.
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
    except Exception:  # Neither PyJWT nor cryptography documents all exceptions that they raise.
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
