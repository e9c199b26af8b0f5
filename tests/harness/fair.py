"""The built-in rule book with freezes, a holiday, more rules about streaks, and unlocks to lose."""

from __future__ import annotations

from progress_worker.domain.rulebook import built_in_text

_ACHIEVEMENT = """
  - {{id: {id}, name: {id}, description: Keep it up., category: streaks, tier: bronze, points: 1,
     icon: flame, {asked}}}"""
_ASKED = {
    "three_days": "rule: {streak: {days: 3}}",
    "four_days": "rule: {streak: {days: 4}}",
    "ten_days": "rule: {streak: {days: 10}}",
    "two_weeks": "rule: {streak: {weeks: 2}}",
    "six_weeks": "rule: {streak: {weeks: 6}}",
    "active_days_12": "rule: {active_days: {at_least: 12}}",
    "steady_and_wide": "rule: {all: [{streak: {days: 5}}, {distinct_topics: {at_least: 3}}]}",
}
#: What a revision, a revocation or an excuse that is taken back can take away.
_TO_LOSE = {
    "good_ones": "repeat: each_multiple, rule: {exercises_completed: {at_least: 1, min_grade: 75}}",
    "busy_weeks": "repeat: each_week, rule: {exercises_completed: {at_least: 3}}",
    "two_in_a_day": "rule: {exercises_completed: {at_least: 2, within: day, min_grade: 80}}",
    "careful_one": "rule: {exercises_completed: {at_least: 1, min_grade: 85, max_hints: 0}}",
    "three_good_ones": "rule: {exercises_completed: {at_least: 3, min_grade: 80}}",
    "six_days_now": "rule: {streak: {days: 6}}",
    "good_and_busy": "requires: [good_ones, busy_weeks], rule: {active_days: {at_least: 2}}",
}
_STREAK = """
streak:
  freezes: {cap: 2, earn_every: 3}
  week: {starts_on: wed, days: 2}
excused:
  - {first_day: 2026-09-14, last_day: 2026-09-15, label: A holiday}
"""


def fair_rule_book() -> str:
    """The YAML of the rule book."""
    lost = {name: f"revocation: withdraw, {asked}" for name, asked in _TO_LOSE.items()}
    more = (_ACHIEVEMENT.format(id=name, asked=asked) for name, asked in (_ASKED | lost).items())
    return built_in_text().rstrip() + "".join(more) + _STREAK
