"""How long records gather before the next batch is read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from progress_worker.ingest.gathering import Gathering


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("records", "after", "wait"),
    [
        (1, 10.0, 0.0),  # one alone: nobody follows soon
        (1, 0.06, 0.0),
        (1, 0.05, 0.05),  # at this rate another one comes in time
        (25, 0.05, 0.05),
        (25, 10.0, 0.0),  # a burst, and nothing before it
    ],
)
def test_the_wait_follows_the_rate(records: int, after: float, wait: float) -> None:
    clock = Clock()
    gathering = Gathering(0.05, clock)
    gathering.read(1)
    clock.now += after
    gathering.read(records)
    assert gathering.seconds_left == pytest.approx(wait)


def test_the_first_batch_waits_for_nothing() -> None:
    gathering = Gathering(0.05, Clock())
    gathering.read(500)
    assert gathering.seconds_left == 0


def test_the_time_that_the_batch_takes_is_part_of_the_wait() -> None:
    clock = Clock()
    gathering = Gathering(0.05, clock)
    for _ in range(2):
        gathering.read(50)
        clock.now += 0.02
    assert gathering.seconds_left == pytest.approx(0.03)
    clock.now += 0.2
    assert gathering.seconds_left == 0


def test_it_can_be_switched_off() -> None:
    assert Gathering(0.05).wanted
    assert not Gathering(0).wanted
