"""Exact sums over completions that can be taken back."""

from __future__ import annotations

from dataclasses import dataclass

from progress_worker.domain.completion import Completion


@dataclass(slots=True)
class Totals:
    """Counts and sums; grades are integers of hundredths of a percent, so means are exact."""

    completions: int = 0
    graded: int = 0
    grade_hundredths: int = 0
    time_spent_seconds: int = 0
    hints_used: int = 0

    def add(self, completion: Completion, sign: int = 1) -> None:
        """Put a completion's share in, or take it out with `sign=-1`."""
        self.completions += sign
        self.time_spent_seconds += sign * completion.time_spent_seconds
        self.hints_used += sign * completion.hints_used
        if completion.grade_hundredths is not None:
            self.graded += sign
            self.grade_hundredths += sign * completion.grade_hundredths

    def merge(self, other: Totals) -> None:
        """Add another sum to this one."""
        self.completions += other.completions
        self.graded += other.graded
        self.grade_hundredths += other.grade_hundredths
        self.time_spent_seconds += other.time_spent_seconds
        self.hints_used += other.hints_used

    @property
    def average_grade(self) -> float | None:
        """The mean grade in percent over graded completions, None without any."""
        return self.grade_hundredths / self.graded / 100 if self.graded else None
