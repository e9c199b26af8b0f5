"""The second built-in rule book with freezes, a holiday, and more rules about streaks.

What is reconciled by it knows one occurrence of each achievement, and that book repeats none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

VERSION_2: Final = Path(__file__).resolve().parents[1] / "frozen" / "rulebook-2.yaml"
_ACHIEVEMENT = """
  - {{id: {id}, name: {id}, description: Keep it up., category: streaks, tier: bronze, points: 1,
     icon: flame, rule: {rule}}}"""
_RULES = {
    "three_days": "{streak: {days: 3}}",
    "four_days": "{streak: {days: 4}}",
    "ten_days": "{streak: {days: 10}}",
    "two_weeks": "{streak: {weeks: 2}}",
    "six_weeks": "{streak: {weeks: 6}}",
    "active_days_12": "{active_days: {at_least: 12}}",
    "steady_and_wide": "{all: [{streak: {days: 5}}, {distinct_topics: {at_least: 3}}]}",
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
    built_in = VERSION_2.read_text(encoding="utf-8")
    more = "".join(_ACHIEVEMENT.format(id=name, rule=rule) for name, rule in _RULES.items())
    return built_in.rstrip() + more + _STREAK
