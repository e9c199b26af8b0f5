"""A compiled rule book: everything that decides what completions lead to.

The reducer, the view, the messages and the commands use it. It never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from importlib.resources import files

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.calendar import DayStarts
from progress_worker.domain.counters import Counters
from progress_worker.domain.days import union
from progress_worker.domain.languages import Texts, fallbacks
from progress_worker.domain.occurrences import Entry, Weekly, entries_of, unlock_holding
from progress_worker.domain.revocation import Loss, LossReason, Withdrawable
from progress_worker.domain.rule_kinds import of_every_week
from progress_worker.domain.rulebook_file import LevelThreshold, RuleBookFile, parse_rule_book
from progress_worker.domain.rules import FIRST_FILTER_BIT, Condition, compile_rule, requiring
from progress_worker.domain.skills import LevelRules, Threshold
from progress_worker.domain.state import LearnerState
from progress_worker.domain.streaks import StreakPolicy
from progress_worker.domain.threshold_index import ThresholdIndex
from progress_worker.domain.vocabulary import WEEKDAYS


class RuleBook:
    """One version of the rules, with its conditions, filters and thresholds compiled."""

    def __init__(self, content: RuleBookFile) -> None:
        self.content = content
        self.version = content.version
        self.digest = content.digest
        every = content.each_achievement()
        #: All but withdrawn ones, which nobody sees.
        self.achievements = tuple(each for each in every if each.status != "withdrawn")
        self.withdrawn = frozenset(each.id for each in every if each.status == "withdrawn")
        #: The default language, then those of the translations.
        self.languages = (content.language, *sorted(content.translated_into()))
        self._texts = {language: self._texts_in(language) for language in self.languages}
        self.passing_hundredths = _hundredths(content.passing_grade)
        levels = content.levels
        self.levels = LevelRules(
            _threshold(levels.intermediate), _threshold(levels.advanced), _threshold(levels.expert)
        )
        self.day_starts = DayStarts([(each.since, each.hour) for each in content.day_starts_at])
        self.streak_policy = _policy(content)
        self.conditions = [
            (each, _condition(each, self.streak_policy)) for each in self.achievements
        ]
        filters = {each for _, condition in self.conditions for each in condition.filters}
        self.counters = Counters(sorted(filters, key=lambda each: each.key), FIRST_FILTER_BIT)
        judged = [(n, *pair) for n, pair in enumerate(self.conditions) if pair[0].is_judged]
        weekly = [each for each in judged if each[1].repeat == "each_week"]
        self._entries = [
            entry
            for position, achievement, condition in judged
            if achievement.repeat != "each_week"
            for entry in entries_of(position, achievement, condition)
        ]
        self.index = ThresholdIndex(self._entries, self.counters)
        self.weekly = Weekly(weekly, self.counters, self.streak_policy.week_starts_on)
        self.withdrawable = Withdrawable(self._entries, self.weekly)

    def new_learner(self, user_id: str) -> LearnerState:
        """The state of a learner without a completion, complete by this rule book."""
        return LearnerState(user_id, rule_book=self.version, counters=self.counters.zero())

    def unlock_held(self, state: LearnerState, stored: Set[str]) -> list[Entry]:
        """Unlock everything whose rule holds, beside the stored unlocks that are kept.

        Returns it in the order of the rule book. An unlock that is kept counts where another
        achievement requires it. The state has every bucket.
        """
        state.unlocked = self.withdrawable.without(stored)
        held = unlock_holding(state, [*self._entries, *self.weekly.holding(state)])
        return sorted(held, key=lambda entry: (entry.position, entry.occurrence))

    def losses(self, stored: LearnerState, state: LearnerState, reason: LossReason) -> list[Loss]:
        """The stored unlocks that no longer hold in a derived state, which remembers them as lost.

        Leaves the others in `state.unlocked`. A learner whose completions were deleted loses
        nothing. The state has every bucket.
        """
        if stored.kept_from is not None:
            return []
        state.unlocked = set(stored.unlocked)
        return self.withdrawable.take(state, reason, self.version)

    def texts(self, language: str) -> Mapping[str, Texts]:
        """The texts of the achievements by id, in one of the rule book's `languages`."""
        return self._texts[language]

    def _texts_in(self, language: str) -> dict[str, Texts]:
        if language == self.content.language:
            language = ""  # No translation is better.
        return {each.id: each.texts(language) for each in self.achievements}

    def topic_name(self, topic: str, language: str) -> str:
        """How the topic is shown to people: its display name, or else the topic itself."""
        named = self.content.topics.get(topic)
        if named is None:
            return topic
        if language != self.content.language:
            for tag in fallbacks(language):
                if tag in named.translations:
                    return named.translations[tag].name
        return named.name


def read_rule_book(text: str) -> RuleBook:
    """The rule book of a YAML text; raises RuleBookError with a sentence for every mistake."""
    return RuleBook(parse_rule_book(text))


def built_in_text() -> str:
    """The YAML of the rule book that ships with the package."""
    return (files("progress_worker.domain") / "rulebook.yaml").read_text(encoding="utf-8")


def _condition(achievement: Achievement, policy: StreakPolicy) -> Condition:
    rule = achievement.rule
    if achievement.repeat == "each_week":
        rule = of_every_week(rule)
    return requiring(compile_rule(rule, policy), achievement.requires)


def _policy(content: RuleBookFile) -> StreakPolicy:
    freezes, week = content.streak.freezes, content.streak.week
    excused = [(each.first_day.toordinal(), each.last_day.toordinal()) for each in content.excused]
    return StreakPolicy(
        cap=freezes.cap,
        earn_every=freezes.earn_every,
        week_starts_on=WEEKDAYS.index(week.starts_on),
        week_days=week.days,
        excused=tuple(union(excused)),
    )


def _threshold(asked: LevelThreshold) -> Threshold:
    return Threshold(asked.exercises, _hundredths(asked.mean_grade))


def _hundredths(grade: float) -> int:
    return round(grade * 100)
