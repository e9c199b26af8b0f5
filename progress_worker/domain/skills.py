"""Skill levels: what each asks for, and which one holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from progress_worker.domain.totals import Totals
from progress_worker.events.models import Level

LEVELS: Final[tuple[Level, ...]] = ("beginner", "intermediate", "advanced", "expert")
RANK: Final[dict[Level, int]] = {level: rank for rank, level in enumerate(LEVELS)}


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a level asks for: this many exercises and a mean grade in hundredths of a percent."""

    exercises: int
    mean_hundredths: int


@dataclass(frozen=True)
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
        """The highest level whose both conditions hold; a mean of just the asked grade does."""
        graded = totals.graded
        if graded and totals.completions >= self._fewest:
            completions, hundredths = totals.completions, totals.grade_hundredths
            for level, exercises, mean in self._highest_first:
                if completions >= exercises and hundredths >= mean * graded:
                    return level
        return "beginner"

    @cached_property
    def _fewest(self) -> int:
        """Below this many exercises everybody is a beginner."""
        return min(exercises for _, exercises, _ in self._highest_first)

    @cached_property
    def _highest_first(self) -> list[tuple[Level, int, int]]:
        thresholds = [(level, self.threshold(level)) for level in reversed(LEVELS[1:])]
        return [(level, asked.exercises, asked.mean_hundredths) for level, asked in thresholds]
