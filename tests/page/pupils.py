"""Learners whose pages are looked at: what they did until a Monday at noon."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from random import Random
from typing import Literal
from uuid import UUID

from progress_worker.domain.calendar import zone
from progress_worker.domain.completion import Completion
from tests.http.stage import NOON

ZONE = "Europe/Berlin"
RICH = "marie.curie"
AT_RISK = "grace"
LAPSED = "alan"
RETURNING = "hedy"
PAUSED = "dorothy"
UNGRADED = "emmy"
NEW = "nobody-yet"

MARKUP = """<script>document.title='owned'</script>"><img src=x onerror="document.title='owned'">"""
RIGHT_TO_LEFT = "مرحبا بالعالم \u202eevil\u202e"
EMOJI = "👩🏽\u200d🚀" * 32  # 128 characters, one of them wider than most
LONG = "x" * 128
TEMPLATE = "{{ 7 * 7 }}{% raw %}"
HOSTILE_TOPICS = (MARKUP, RIGHT_TO_LEFT, EMOJI, LONG, TEMPLATE, "a & b &amp; c", "\u2028 \t")
HOSTILE_USERS = (MARKUP, RIGHT_TO_LEFT, EMOJI, LONG)

_DAYS = 330
_TOPICS = (
    "algorithms",
    "data-structures",
    "databases",
    "networking",
    "operating-systems",
    "statistics",
)
_DIFFICULTIES: tuple[Literal["easy", "medium", "hard"], ...] = ("easy", "medium", "hard")


def completion(
    user_id: str,
    back: int,
    *,
    topic: str = "algorithms",
    difficulty: Literal["easy", "medium", "hard"] = "easy",
    grade: float | None = 80,
    seconds: int = 600,
    number: int = 0,
) -> Completion:
    """One exercise, in the morning, this many days ago."""
    local = NOON.astimezone(zone(ZONE)).replace(hour=8) - dt.timedelta(days=back)
    return Completion(
        user_id=user_id,
        event_id=UUID(int=back * 1_000 + number),
        revision=0,
        revoked=False,
        exercise_id=f"exercise-{number}",
        topic=topic,
        difficulty=difficulty,
        grade_hundredths=None if grade is None else round(grade * 100),
        time_spent_seconds=seconds,
        hints_used=number % 3,
        completed_at=local.astimezone(dt.UTC),
        timezone=ZONE,
        local_day=local.date(),
    )


def rich() -> Iterator[Completion]:
    """Almost a year of practice, today included."""
    random = Random(7)
    for back in reversed(range(_DAYS)):
        keen = 0.95 if back < 23 else 0.62
        if back and random.random() > keen:
            continue
        for number in range(random.choice((1, 1, 2, 2, 3, 4, 5, 8))):
            topic = random.choices(_TOPICS, (9, 5, 3, 1.2, 0.6, 0.2))[0]
            yield completion(
                RICH,
                back,
                topic=topic,
                difficulty=random.choice(_DIFFICULTIES),
                grade=min(100, random.gauss(58 + 3.5 * len(topic) - back / 12, 9)),
                seconds=random.randrange(120, 2_400),
                number=number,
            )


def at_risk() -> Iterator[Completion]:
    """Four days until yesterday."""
    for back in (4, 3, 2, 1):
        yield completion(AT_RISK, back, grade=72.96)


def lapsed() -> Iterator[Completion]:
    """A week, a month ago."""
    for back in range(37, 30, -1):
        yield completion(LAPSED, back, topic="databases", grade=48)


def returning() -> Iterator[Completion]:
    """Three weeks of practice, two weeks of none, and back since yesterday."""
    for back in (*range(36, 15, -1), 1, 0):
        for number in range(1 + back % 3):
            yield completion(
                RETURNING, back, topic="statistics", grade=60 + back, seconds=900, number=number
            )


def paused() -> Iterator[Completion]:
    """Four months of practice on most days, until five weeks ago."""
    random = Random(11)
    for back in reversed(range(35, 155)):
        for number in range(random.choice((0, 0, 1, 1, 2, 3))):
            yield completion(
                PAUSED,
                back,
                topic=random.choice(_TOPICS[:3]),
                difficulty=random.choice(_DIFFICULTIES[:2]),
                grade=random.randrange(55, 95),
                number=number,
            )


def ungraded() -> Iterator[Completion]:
    """Twelve exercises that nobody graded."""
    for number in range(12):
        yield completion(UNGRADED, 0, grade=None, seconds=45, number=number)


def hostile() -> Iterator[Completion]:
    """Ids and topics that try to be something else."""
    for user_id in HOSTILE_USERS:
        for number, topic in enumerate(HOSTILE_TOPICS):
            yield completion(user_id, 0, topic=topic, number=number)


PUPILS: dict[str, Callable[[], Iterator[Completion]]] = {
    "rich": rich,
    "at risk": at_risk,
    "lapsed": lapsed,
    "returning": returning,
    "paused": paused,
    "ungraded": ungraded,
    "hostile": hostile,
}
