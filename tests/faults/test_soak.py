"""The soak's judgement: it reports what grows, and not what only wavers."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from rich.console import Console

from tests.faults.soak import Sample, complaints

_POOL_SIZE = 6


def samples(
    minutes: float = 10,
    *,
    memory: Callable[[float], float] = lambda _: 0,
    outbox: Callable[[float], int] = lambda _: 0,
    connections: int = 8,
) -> list[Sample]:
    """Ten minutes of two workers that warm up and then waver; the second may also grow."""
    rng = random.Random(7)
    found = []
    for number in range(int(minutes * 30)):
        minute = number / 30
        mib = [140 + 40 * min(1, minute / 3) + rng.gauss(0, 2) for _ in range(2)]
        waits = rng.randrange(400) + outbox(minute)
        found.append(Sample(minute, (mib[0], mib[1] + memory(minute)), waits, connections))
    return found


@pytest.mark.parametrize(
    ("taken", "wrong"),
    [
        (samples(), []),
        (samples(memory=lambda minute: 0.2 * minute), []),
        (samples(memory=lambda minute: 2 * minute), ["the memory of worker 2 grows"]),
        (samples(minutes=1, memory=lambda minute: 9 * minute), []),
        (samples(outbox=lambda minute: int(300 * minute)), ["the outbox grows"]),
        (
            samples(connections=13),
            ["there are more connections than the workers may have"],
        ),
    ],
    ids=["nothing", "a trifle", "memory", "too short", "outbox", "connections"],
)
def test_what_grows_is_told(taken: list[Sample], wrong: list[str]) -> None:
    assert complaints(taken, _POOL_SIZE, Console(quiet=True)) == wrong
