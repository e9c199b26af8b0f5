"""Skill levels: what each asks for, and which one holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from progress_worker.domain.totals import Totals
from progress_worker.domain.vocabulary import Level

LEVELS: Final[tuple[Level, ...]] = ("beginner", "intermediate", "advanced", "expert")
RANK: Final[dict[Level, int]] = {level: rank for rank, level in enumerate(LEVELS)}


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a level asks for: this many exercises and a mean grade in hundredths of a percent."""

    exercises: int
    mean_hundredths: int

    def met_by(self, totals: Totals) -> bool:
        """Whether both conditions hold; without a graded exercise there is no mean."""
        return (
            totals.completions >= self.exercises
            and totals.graded > 0
            and totals.grade_hundredths >= self.mean_hundredths * totals.graded
        )


@dataclass(frozen=True, slots=True)
class LevelRules:
    """The thresholds of the three levels above beginner, lowest first."""

    intermediate: Threshold = Threshold(10, 60_00)
    advanced: Threshold = Threshold(30, 70_00)
    expert: Threshold = Threshold(50, 80_00)

    def threshold(self, level: Level) -> Threshold:
        """What `level` asks for; beginner asks for nothing."""
        match level:
            case "intermediate":
                return self.intermediate
            case "advanced":
                return self.advanced
            case "expert":
                return self.expert
            case "beginner":
                return Threshold(0, 0)

    def level(self, totals: Totals) -> Level:
        """The highest level whose two conditions hold; a mean equal to the threshold is enough."""
        if self.expert.met_by(totals):
            return "expert"
        if self.advanced.met_by(totals):
            return "advanced"
        return "intermediate" if self.intermediate.met_by(totals) else "beginner"
