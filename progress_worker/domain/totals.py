"""Exact sums over completions that can be taken back."""

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
)


@dataclass(slots=True, init=False)
class Totals:
    """Counts and sums; grades are integers of hundredths of a percent, so means are exact."""

    completions: int
    graded: int
    grade_hundredths: int
    time_spent_seconds: int
    hints_used: int

    # Written out, since that of `dataclass` stays interpreted where the rules are compiled.
    def __init__(
        self,
        completions: int = 0,
        graded: int = 0,
        grade_hundredths: int = 0,
        time_spent_seconds: int = 0,
        hints_used: int = 0,
    ) -> None:
        self.completions = completions
        self.graded = graded
        self.grade_hundredths = grade_hundredths
        self.time_spent_seconds = time_spent_seconds
        self.hints_used = hints_used

    def merge(self, other: Totals) -> None:
        """Add another sum to this one."""
        self.completions += other.completions
        self.graded += other.graded
        self.grade_hundredths += other.grade_hundredths
        self.time_spent_seconds += other.time_spent_seconds
        self.hints_used += other.hints_used

    def numbers(self) -> tuple[int, int, int, int, int]:
        """The fields in their order."""
        return (
            self.completions,
            self.graded,
            self.grade_hundredths,
            self.time_spent_seconds,
            self.hints_used,
        )

    @property
    def average_grade(self) -> float | None:
        """The mean grade in percent over graded completions, None without any."""
        return self.grade_hundredths / self.graded / 100 if self.graded else None


def share(sums: Iterable[Totals], completion: Completion, sign: int = 1) -> None:
    """Put a completion's share into each of the sums, or take it out with `sign=-1`."""
    seconds = sign * completion.time_spent_seconds
    hints = sign * completion.hints_used
    grade = completion.grade_hundredths
    graded = 0 if grade is None else sign
    hundredths = sign * (grade or 0)
    for totals in sums:
        totals.completions += sign
        totals.graded += graded
        totals.grade_hundredths += hundredths
        totals.time_spent_seconds += seconds
        if hints:
            totals.hints_used += hints
