"""The page's sentences, spoken to the learner or about the learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from progress_worker.http.api.responses import NextLevel
from progress_worker.http.api.responses_of_streaks import Streak
from progress_worker.http.page.language import Language


@dataclass(frozen=True, slots=True)
class Voice:
    """Speaks to the learner. With `about`, a learner's id, it speaks about that learner."""

    language: Language
    about: str | None = None

    @property
    def title(self) -> str:
        """What the page is."""
        return self._say(f"title.{self._whose}")

    @property
    def welcome(self) -> str:
        """For a learner who has nothing to show yet."""
        return self._say(f"welcome.{self._whose}")

    @property
    def calm_welcome(self) -> str:
        """The same for a learner who wants no game."""
        return self._say(f"welcome.calm_{self._whose}")

    def first_level(self, level: NextLevel) -> str:
        """How a beginner reaches the next level."""
        return self.language.say(
            "welcome.first_level",
            count=level.exercises_needed,
            beginner=self.language.level("beginner"),
            grade=self.language.grade(level.grade_needed),
            level=self.language.level(level.level),
        )

    def streak(self, streak: Streak, excused_today: bool) -> str:
        """How the streak stands."""
        last = streak.last_active_day
        if self.about is None:
            key = _own_streak(streak, excused_today)
        elif last is None:
            key = "never"
        elif not streak.current:
            key = "last"
        elif streak.active_today:
            key = "today"
        else:
            key = "excused" if excused_today else "not_yet"
        day = self.language.day(last) if last else ""
        return self._say(f"streak.{self._whose}.{key}", count=streak.current, day=day)

    def next_day(self, streak: Streak, excused_today: bool) -> str:
        """What the next day of practice does to the streak."""
        if streak.at_risk:
            return self._say(f"next.{self._whose}.keep", count=streak.current)
        if not streak.current:
            return self._say(f"next.{self._whose}.begin")
        if excused_today and not streak.active_today:
            return self._say("next.excused", count=streak.current + 1)
        when = "tomorrow" if streak.active_today else "today"
        return self._say(f"next.{self._whose}.{when}", count=streak.current + 1)

    @property
    def all_earned(self) -> str:
        """In place of the badges that are still open."""
        return self._say(f"badges.all_{self._whose}")

    @property
    def new_badge(self) -> str:
        """The news of a badge, whose name takes the place of `{badge}`."""
        return self._say(f"news.badge_{self._whose}", badge="{badge}")

    @property
    def new_level(self) -> str:
        """The news of a level: `{level}` of `{topic}`."""
        return self._say(f"news.level_{self._whose}", topic="{topic}", level="{level}")

    @property
    def _whose(self) -> Literal["own", "other"]:
        return "own" if self.about is None else "other"

    def _say(self, key: str, **values: object) -> str:
        return self.language.say(key, name=self.language.isolated(self.about or ""), **values)


def _own_streak(streak: Streak, excused_today: bool) -> str:
    if streak.active_today:
        return "today"
    if streak.current and excused_today:
        return "excused"
    if streak.state in ("at_risk", "safe"):
        return "nothing_yet"
    return "never" if streak.last_active_day is None else "last"
