"""No time, no age: what cannot be the time of a record has none."""

from __future__ import annotations

import pytest

from progress_worker.telemetry.ages import age, ages

NOW = 1_764_090_000.0


@pytest.mark.parametrize(
    "moment",
    [
        -0.001,
        0.0,
        NOW / 1000,  # seconds taken for milliseconds
        NOW * 1000,  # microseconds taken for milliseconds
        1_293_839_999.0,
        NOW + 301,
        float("inf"),
        float("-inf"),
        float("nan"),
    ],
)
def test_what_is_no_time_has_no_age(moment: float) -> None:
    assert age(moment, NOW) is None
    assert ages([moment, NOW - 2], NOW) == [2]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(NOW - 1.5, 1.5), (NOW, 0), (NOW + 299, 0), (1_293_840_000.0, 470_250_000)],
)
def test_what_may_be_a_time_has_an_age(moment: float, expected: float) -> None:
    assert age(moment, NOW) == expected
