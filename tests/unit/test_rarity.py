"""How rare an achievement is, at each boundary."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.domain.rarity import HolderCounts, Share

NOW = dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("holders", "learners", "percent", "text", "rare"),
    [
        (0, 20, 0, "0", True),
        (1, 20, 5, "5", True),
        (2, 20, 10, "10", True),
        (3, 20, 15, "15", False),
        (20, 20, 100, "100", False),
        (1, 100, 1, "1", True),
        (1, 101, 0, "<1", True),
        (1, 10_000_000, 0, "<1", True),
        (10_000, 100_000, 10, "10", True),
        (100_001, 1_000_000, 10, "10", False),  # 10.0001%
        (109, 1_000, 10, "10", False),
        (99_999, 100_000, 99, "99", False),
    ],
)
def test_each_boundary(holders: int, learners: int, percent: int, text: str, rare: bool) -> None:
    share = Share(holders, learners)
    assert (share.percent, share.text, share.rare) == (percent, text, rare)


def test_twenty_learners_are_enough_and_nineteen_are_not() -> None:
    holders = {"first": 19}
    assert HolderCounts(NOW, 19, holders).share("first") is None
    assert HolderCounts(NOW, 20, holders).share("first") == (19, 20)
    assert HolderCounts(NOW, 0, {"first": 0}).share("first") is None


def test_what_was_not_counted_is_unknown_and_what_nobody_holds_is_not() -> None:
    counts = HolderCounts(NOW, 20, {"first": 0})
    assert counts.share("first") == (0, 20)
    assert counts.share("newer") is None
