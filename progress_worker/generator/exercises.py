"""The exercises that a learner finishes, and how well."""

from __future__ import annotations

import datetime as dt
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from progress_worker.domain.calendar import local_day, utc_offset_minutes
from progress_worker.domain.completion import Completion
from progress_worker.domain.vocabulary import Difficulty
from progress_worker.generator.learners import Learner

#: How much lower the mean grade is for each difficulty, in percent.
_HARDNESS: dict[Difficulty, float] = {"easy": 0.0, "medium": 6.0, "hard": 13.0}
_MEAN_SECONDS: dict[Difficulty, float] = {"easy": 240.0, "medium": 540.0, "hard": 1_200.0}
_HINTS = (0, 0, 0, 0, 0, 1, 1, 2, 3, 5)
#: The bits that make a number a random UUID. The class UUID sets them more slowly.
_UUID4_MASK = ~(0xF000 << 64 | 0xC000 << 48)
_UUID4 = 0x4000 << 64 | 0x8000 << 48


def random_uuid(rng: Random) -> UUID:
    """A random UUID that depends on the seed."""
    return UUID(int=rng.getrandbits(128) & _UUID4_MASK | _UUID4)


class Exercises:
    """One learner's completions. `progress`, 0 to 1, is how far the learner has come."""

    def __init__(self, learner: Learner, rng: Random) -> None:
        self._learner = learner
        self._rng = rng

    def complete(
        self, instant: float, zone: ZoneInfo, progress: float
    ) -> tuple[Completion, dt.datetime]:
        """A new completion at that POSIX time, and the time in the offset that it is written in."""
        learner, random = self._learner, self._rng.random
        local = dt.datetime.fromtimestamp(int(instant * 1000) / 1000, zone)
        hour = learner.day_starts_at or 0
        completed_at = local.astimezone(dt.UTC)
        topic = learner.topics[int(random() * len(learner.topics))]
        difficulty = learner.difficulties[int(random() * len(learner.difficulties))]
        completion = Completion(
            user_id=learner.user_id,
            event_id=random_uuid(self._rng),
            revision=0,
            revoked=False,
            exercise_id=f"{topic}-{int(random() * 400):03d}",
            topic=topic,
            difficulty=difficulty,
            grade_hundredths=self._grade(difficulty, progress),
            time_spent_seconds=int(_MEAN_SECONDS[difficulty] * (0.3 + 1.4 * random())),
            hints_used=_HINTS[int(random() * len(_HINTS))],
            completed_at=completed_at,
            timezone=None if learner.timezone is None else zone.key,
            local_day=local_day(local, hour),
            utc_offset_minutes=utc_offset_minutes(local),
            day_starts_at=learner.day_starts_at,
            local_day_hour=hour,
        )
        return completion, completed_at if learner.writes_utc else local

    def revise(
        self, last: Completion, progress: float, *, revoked: bool
    ) -> tuple[Completion, dt.datetime]:
        """A completion's next revision: graded again, or taken back with its grade as it was."""
        grade = last.grade_hundredths if revoked else self._grade(last.difficulty, progress)
        completion = last._replace(
            revision=last.revision + 1, revoked=revoked, grade_hundredths=grade
        )
        minutes = 0 if self._learner.writes_utc else completion.utc_offset_minutes or 0
        shown = dt.timezone(dt.timedelta(minutes=minutes))
        return completion, completion.completed_at.astimezone(shown)

    def _grade(self, difficulty: Difficulty, progress: float) -> int | None:
        """A grade in hundredths of a percent. Most grades are whole percents."""
        learner = self._learner
        if self._rng.random() < learner.ungraded_share:
            return None
        mean = learner.ability + learner.growth * progress - _HARDNESS[difficulty]
        grade = min(100.0, max(0.0, self._rng.gauss(mean, 9.0)))
        return int(grade) * 100 if self._rng.random() < 0.7 else int(grade * 100)
