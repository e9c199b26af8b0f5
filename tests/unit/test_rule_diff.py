"""What learners lose is counted, and ends the command with status 3."""

from __future__ import annotations

import pytest

from progress_worker.cli.rules import exit_status
from progress_worker.domain.rule_diff import LearnerDiff
from progress_worker.domain.rulebook import read_rule_book
from progress_worker.walks.rule_diff import Totals
from tests.harness.events import CATALOGUE


def totals(*lost: str) -> Totals:
    found = Totals(read_rule_book(CATALOGUE))
    diff = LearnerDiff({"wide": 3}, dict.fromkeys(lost, 1), frozenset({"three"}), {}, {})
    found.add("ada", diff)
    return found


def test_every_achievement_is_counted_alone() -> None:
    found = totals("first", "from_long_ago")
    assert (found.gained, found.lost) == (3, 2)
    assert found.achievements["wide"].gained.learners == 1
    assert found.achievements["first"].lost.samples == ["ada"]
    assert found.achievements["from_long_ago"].lost.learners == 1
    assert found.achievements["three"].stays == 1
    assert list(found.achievements) == [
        *("first", "three", "two_days", "hard_ones", "wide", "skilled"),
        "from_long_ago",
    ]


@pytest.mark.parametrize(
    ("lost", "allow_loss", "status"),
    [([], False, 0), (["first"], False, 3), (["first"], True, 0), ([], True, 0)],
)
def test_a_loss_that_is_not_allowed_is_status_3(
    lost: list[str], allow_loss: bool, status: int
) -> None:
    assert exit_status(totals(*lost), allow_loss=allow_loss) == status
