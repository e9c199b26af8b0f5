"""Waits for something to become true, within a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

#: Longer than anything here takes on a busy machine.
LIMIT_SECONDS = 45.0


async def wait_until(
    condition: Callable[[], Awaitable[T]], what: str, limit_seconds: float = LIMIT_SECONDS
) -> T:
    """Ask until the answer is true, and return it; raises AssertionError after the limit."""
    try:
        async with asyncio.timeout(limit_seconds):
            return await _asked_again_and_again(condition)
    except TimeoutError:
        raise AssertionError(f"not within {limit_seconds:g} s: {what}") from None


async def _asked_again_and_again(condition: Callable[[], Awaitable[T]]) -> T:
    while True:
        if answer := await condition():
            return answer
        await asyncio.sleep(0.05)
