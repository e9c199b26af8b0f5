"""The finding of a check, and the time limit of every check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from progress_worker.errors import ProgressError


class Finding(NamedTuple):
    """One thing that was checked: a sentence, and whether it says that something is wrong."""

    sentence: str
    wrong: bool = False


Check = Callable[[], Awaitable[list[Finding]]]


async def in_time(what: str, check: Check, limit_seconds: float) -> list[Finding]:
    """The findings of the check. An error or a time-out becomes a finding too."""
    try:
        async with asyncio.timeout(limit_seconds):
            return await check()
    except TimeoutError:
        return [Finding(f"{what} did not answer within {limit_seconds:g} s.", wrong=True)]
    except ProgressError as error:
        return [Finding(f"{str(error).rstrip('.')}.", wrong=True)]
