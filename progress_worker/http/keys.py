"""The public keys that sign tokens: read from a file or a URL, and kept when that fails."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
from jwt import PyJWK, PyJWKClient, PyJWKSet, PyJWTError

from progress_worker.errors import TransientError
from progress_worker.http.metrics import ViewMetrics

#: The key type that each algorithm needs; a key never serves another algorithm.
KEY_TYPES: Final = {"RS256": "RSA", "ES256": "EC"}

_Document = dict[str, Any]


class SigningKeys:
    """A JWK set that is read on first use, when it has grown old, and for a key it lacks.

    One read runs at a time, and none sooner than `retry_seconds` after the one before, so that
    junk tokens cannot make us hammer the source. When a read fails the last good keys stay.
    Raises TransientError when there are no keys yet and none can be read.
    """

    def __init__(
        self,
        read: Callable[[], _Document],
        metrics: ViewMetrics,
        *,
        cache_seconds: float,
        retry_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._read = read
        self._metrics = metrics
        self._cache_seconds = cache_seconds
        self._retry_seconds = retry_seconds
        self._timeout_seconds = timeout_seconds
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
                async with asyncio.timeout(self._timeout_seconds):
                    document = await asyncio.to_thread(self._read)
                self._keys = PyJWKSet.from_dict(document).keys
            except (PyJWTError, OSError, ValueError, TypeError, AttributeError) as error:
                self._metrics.key_refreshes.labels("failed").inc()
                structlog.get_logger().warning(
                    "view_key_refresh_failed",
                    error=type(error).__name__,
                    kept=len(self._keys or ()),
                )
                return
            self._good_at = self._tried_at
            self._metrics.key_refreshes.labels("ok").inc()


def read_file(path: Path) -> Callable[[], _Document]:
    """Read a JWK set from a file."""
    return lambda: dict(json.loads(path.read_bytes()))


def read_url(url: str, timeout_seconds: float) -> Callable[[], _Document]:
    """Read a JWK set from a URL, following no redirect."""
    client = PyJWKClient(url, cache_jwk_set=False, timeout=timeout_seconds)
    return lambda: dict(client.fetch_data())


def _serves(key: PyJWK, algorithm: str) -> bool:
    return (
        key.key_type == KEY_TYPES[algorithm]
        and key.algorithm_name == algorithm
        and key.public_key_use in {"sig", None}
    )
