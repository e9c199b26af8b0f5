"""How fast a walk goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from progress_worker.walks.pacing import Pace
from progress_worker.walks.walk import Step


class Slept(list[float]):
    """The pauses that were made."""

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)


def never() -> bool:
    return False


@pytest.mark.parametrize(
    ("lags", "looks"),
    [
        ([0], 0),  # nobody waits
        ([500, 400], 1),  # it falls
        ([500, 500], 1),  # it stands
        ([500, 600, 900, 900], 3),  # it grows, and then it does not
        ([500, 600, 0], 2),
    ],
)
async def test_a_walk_waits_while_the_lag_grows(lags: list[int], looks: int) -> None:
    slept, lag = Slept(), iter(lags)
    pace = Pace(100, lambda: next(lag), slept.sleep)
    await pace.wait(Step(examined=0, worked=0, changed=0, finished=False), never)
    assert slept == [0.0, *[1.0] * looks]
    assert list(lag) == []


async def test_the_rate_is_that_of_the_learners_who_were_derived() -> None:
    slept = Slept()
    pace = Pace(200, lambda: 0, slept.sleep)
    await pace.wait(Step(examined=500, worked=100, changed=100, finished=False), never)
    await pace.wait(Step(examined=500, worked=0, changed=0, finished=True), never)
    assert slept == [0.55, 0.05]


async def test_a_stop_ends_the_wait() -> None:
    def growing() -> Iterator[int]:
        yield from range(1, 1_000_000)

    slept, lag = Slept(), growing()
    pace = Pace(100, lambda: next(lag), slept.sleep)
    await pace.wait(Step(0, 0, 0, finished=False), lambda: len(slept) > 3)
    assert len(slept) == 4
