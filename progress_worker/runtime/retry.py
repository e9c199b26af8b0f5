"""The retry policy for transient failures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_never,
    wait_random_exponential,
)

from progress_worker.errors import TransientError
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.outages import Outage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Tries for ever, with a pause that grows up to `max_wait_seconds`, with jitter."""

    max_wait_seconds: float
    metrics: Metrics = field(repr=False)

    async def run(
        self,
        part: str,
        action: Callable[[], Awaitable[T]],
        pulse: Callable[[], None] | None = None,
        outage: Outage | None = None,
    ) -> T:
        """Await `action` until it does not raise TransientError. Any other error passes through.

        Calls `pulse` at each failure, because a caller that waits here is alive. If a failed
        `action` keeps running, it gives its own `outage` and ends it itself.
        """
        trouble = outage or Outage("transient_failure", part=part)

        def failed(call: RetryCallState) -> None:
            self.metrics.retries.labels(part).inc()
            if pulse is not None:
                pulse()
            trouble.met(str(call.outcome.exception() if call.outcome else None))

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(multiplier=0.1, max=self.max_wait_seconds),
            stop=stop_never,
            sleep=asyncio.sleep,
            before_sleep=failed,
        )
        result: T = await retrying(action)
        trouble.over()
        return result
