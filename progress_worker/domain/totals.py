"""Exact sums over completions. A completion can be taken out again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from progress_worker.domain.completion import Completion

#: What is summed up, in the order of the fields of `Totals`.
SUMS: Final = (
    "completions",
    "graded",
    "grade_hundredths",
    "time_spent_seconds",
    "hints_used",
    "passed",
)


@dataclass(slots=True, init=False)
class Totals:
    """Counts and sums; grades are integers of hundredths of a percent, so means are exact."""

    completions: int
    graded: int
    grade_hundredths: int
    time_spent_seconds: int
    hints_used: int
    #: Completions with a grade that passes by the learner's rule book.
    passed: int

    # Written by hand, because the one of `dataclass` is not compiled with the rules.
    def __init__(
        self,
        completions: int = 0,
        graded: int = 0,
        grade_hundredths: int = 0,
        time_spent_seconds: int = 0,
        hints_used: int = 0,
        passed: int = 0,
    ) -> None:
        self.completions = completions
        self.graded = graded
        self.grade_hundredths = grade_hundredths
        self.time_spent_seconds = time_spent_seconds
        self.hints_used = hints_used
        self.passed = passed

    def merge(self, other: Totals) -> None:
        """Add another sum to this one."""
        self.completions += other.completions
        self.graded += other.graded
        self.grade_hundredths += other.grade_hundredths
        self.time_spent_seconds += other.time_spent_seconds
        self.hints_used += other.hints_used
        self.passed += other.passed

    def numbers(self) -> tuple[int, int, int, int, int, int]:
        """The fields in their order."""
        return (
            self.completions,
            self.graded,
            self.grade_hundredths,
            self.time_spent_seconds,
            self.hints_used,
            self.passed,
        )

    @property
    def average_grade(self) -> float | None:
        """The mean grade in percent over graded completions, None without any."""
        return self.grade_hundredths / self.graded / 100 if self.graded else None


def sum_of(parts: Iterable[Totals]) -> Totals:
    """A new sum of all the parts."""
    sums = Totals()
    for part in parts:
        sums.merge(part)
    return sums


def add_to_sums(
    sums: Iterable[Totals], completion: Completion, passing_hundredths: int, sign: int = 1
) -> None:
    """Add a completion to each of the sums, or take it out of them with `sign=-1`.

    A grade of `passing_hundredths` or more passes, in hundredths of a percent.
    """
    seconds = sign * completion.time_spent_seconds
    hints = sign * completion.hints_used
    grade = completion.grade_hundredths
    graded = passed = 0
    hundredths = 0
    if grade is not None:
        graded = sign
        hundredths = sign * grade
        if grade >= passing_hundredths:
            passed = sign
    for totals in sums:
        totals.completions += sign
        totals.graded += graded
        totals.grade_hundredths += hundredths
        totals.time_spent_seconds += seconds
        totals.passed += passed
        if hints:
            totals.hints_used += hints
