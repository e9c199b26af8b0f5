"""The page's sentences, spoken to the learner or about the learner."""

from __future__ import annotations

from dataclasses import dataclass

from progress_worker.http.api.responses import NextLevel
from progress_worker.http.api.responses_of_streaks import Streak
from progress_worker.http.page.text import counted, day, grade, isolated


@dataclass(frozen=True, slots=True)
class Voice:
    """Speaks to the learner. With `about`, a learner's id, it speaks about that learner."""

    about: str | None = None

    @property
    def title(self) -> str:
        """What the page is."""
        return f"Progress of {self._name}" if self.about is not None else "Your progress"

    @property
    def welcome(self) -> str:
        """For a learner who has nothing to show yet."""
        if self.about is not None:
            return f"{self._name} has not finished an exercise yet."
        return (
            "Nothing is written here yet. Finish one exercise, and it shows up here: a day in the "
            "calendar, the first step of a streak, and a badge."
        )

    def first_level(self, level: NextLevel) -> str:
        """How a beginner reaches the next level."""
        return (
            f"Every topic begins at beginner. {counted(level.exercises_needed, 'exercise')} with "
            f"an average grade of {grade(level.grade_needed)} or more lead to {level.level}."
        )

    def streak(self, streak: Streak, excused_today: bool) -> str:
        """How the streak stands."""
        if self.about is None:
            return _own_streak(streak, excused_today)
        if streak.last_active_day is None:
            return f"{self._name} has no day of practice."
        if not streak.current:
            return f"{self._name} last practised on {day(streak.last_active_day)}."
        said = f"{self._name} has practised {counted(streak.current, 'day')} in a row"
        if streak.active_today:
            return f"{said}, today included."
        return f"{said}. Today is excused." if excused_today else f"{said}, but not yet today."

    def next_day(self, streak: Streak, excused_today: bool) -> str:
        """What the next day of practice does to the streak."""
        days = counted(streak.current, "day")
        if streak.at_risk and self.about is None:
            return f"Practise today to keep your {days} in a row."
        if streak.at_risk:
            return f"An exercise today keeps the {days} in a row."
        if streak.current:
            more = f"{counted(streak.current + 1, 'day')} in a row"
            if excused_today and not streak.active_today:
                return f"The streak waits. An exercise today would make it {more}."
            when = "tomorrow" if streak.active_today else "today"
            return (
                f"Practise {when} to make it {more}."
                if self.about is None
                else f"An exercise {when} makes it {more}."
            )
        if self.about is not None:
            return "The next exercise begins a new streak."
        return "Practise today to begin a new streak."

    @property
    def no_topics(self) -> str:
        """In place of skill levels."""
        return "Topics and their levels show up with the next exercise."

    @property
    def all_earned(self) -> str:
        """In place of the badges that are still open."""
        return f"{'You have' if self.about is None else f'{self._name} has'} earned every badge."

    @property
    def new_badge(self) -> str:
        """The news of a badge, whose name takes the place of `{}`."""
        return "New badge: {}" if self.about is None else f"New badge of {self._name}: {{}}"

    @property
    def new_level(self) -> str:
        """The news of a level, which takes the place of `{}`."""
        return "New level: {}" if self.about is None else f"New level of {self._name}: {{}}"

    @property
    def _name(self) -> str:
        return isolated(self.about or "")


def _own_streak(streak: Streak, excused_today: bool) -> str:
    if streak.active_today:
        return "You have practised today."
    if streak.current and excused_today:
        return "Today is excused."
    if streak.state in ("at_risk", "safe"):
        return "Nothing yet today."
    if streak.last_active_day is None:
        return "There is no day of practice yet."
    return f"You last practised on {day(streak.last_active_day)}."
