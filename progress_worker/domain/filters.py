"""Counts completions that match the filters of a rule book."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, get_args

from progress_worker.domain import achievements as spec
from progress_worker.domain.completion import Completion
from progress_worker.domain.vocabulary import Difficulty

_DIFFICULTIES: Final[tuple[Difficulty, ...]] = get_args(Difficulty)
_NOT_GRADED: Final = -1


class Filter(NamedTuple):
    """A condition on single completions, counted per learner under `key`."""

    key: str
    topic: str | None
    difficulty: Difficulty | None
    #: In hundredths of a percent; `_NOT_GRADED` lets ungraded ones count too.
    min_grade: int
    max_hints: float


def filter_of(part: spec.ExercisesCompleted) -> Filter | None:
    """The filter to count by; None if the learner's sums answer the rule already."""
    if part.difficulty is None and part.min_grade is None and part.max_hints is None:
        return None
    # The topic is the only free text. It comes last, so that no two filters have the same key.
    given = part.model_dump(exclude={"at_least", "topic"}, exclude_none=True)
    if part.topic is not None:
        given["topic"] = part.topic
    return Filter(
        key=",".join(f"{name}={value}" for name, value in given.items()),
        topic=part.topic,
        difficulty=part.difficulty,
        min_grade=_NOT_GRADED if part.min_grade is None else round(part.min_grade * 100),
        max_hints=float("inf") if part.max_hints is None else part.max_hints,
    )


class Counters:
    """How many completions match each filter; every filter has a bit of its own."""

    def __init__(self, filters: Iterable[Filter], first_bit: int) -> None:
        self._bits = {found: first_bit << n for n, found in enumerate(dict.fromkeys(filters))}
        self._zero = {found.key: 0 for found in self._bits}
        self._of_difficulty = {
            difficulty: [
                (bit, found.key, found.topic, found.min_grade, found.max_hints)
                for found, bit in self._bits.items()
                if found.difficulty in {None, difficulty}
            ]
            for difficulty in _DIFFICULTIES
        }

    def bits_of(self, filters: Iterable[Filter]) -> int:
        """The bits of these filters, together."""
        return sum(self._bits[found] for found in set(filters))

    def zero(self) -> dict[str, int]:
        """The counts before the first completion."""
        return dict(self._zero)

    def known(self, counts: dict[str, int]) -> dict[str, int]:
        """The counts of these filters only; others would not be counted further."""
        return {key: counts[key] for key in self._zero if key in counts}

    def count(self, counts: dict[str, int], completion: Completion, sign: int) -> int:
        """Count the completion under every filter that it matches; returns the filters' bits.

        A filter that has no count is left out: it was not counted from the beginning.
        """
        grade = completion.grade_hundredths
        if grade is None:
            grade = _NOT_GRADED
        topic, hints = completion.topic, completion.hints_used
        matched = 0
        for bit, key, of_topic, least, most in self._of_difficulty[completion.difficulty]:
            if grade >= least and hints <= most and (of_topic is None or of_topic == topic):
                before = counts.get(key)
                if before is not None:
                    counts[key] = before + sign
                    matched |= bit
        return matched
