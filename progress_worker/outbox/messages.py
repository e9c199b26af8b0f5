"""Builds the records that go to the outbox."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple, Protocol, Self

from pydantic_core import to_json

from progress_worker import __version__
from progress_worker.domain.expiry import StreakWarning
from progress_worker.domain.reducer import LevelChange, Unlock
from progress_worker.errors import PoisonError
from progress_worker.events.cloudevents import Headers, binary_headers, utc_text
from progress_worker.events.models import (
    ACHIEVEMENT_UNLOCKED,
    SKILL_LEVEL_CHANGED,
    STREAK_AT_RISK,
    SkillLevelChanged,
    StreakAtRisk,
    level_change_event_id,
    streak_at_risk_event_id,
    unlock_event_id,
)
from progress_worker.settings.kafka import KafkaSettings
from progress_worker.storage.write.outbox import OutboxRecord

#: The `ce_source` of every event that the worker publishes.
EVENT_SOURCE: Final = "/progress-worker"


#: What an unlock's event takes from the rule book, in the order of the model's fields.
_DESCRIPTION: Final = ("name", "description", "category", "tier", "points", "icon")


class Record(Protocol):
    """What we need of a consumer's record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class DeadLetter(NamedTuple):
    """A record that can never be applied, and why."""

    record: Record
    error: PoisonError
    attempts: int = 1


@dataclass(frozen=True)
class Messages:
    """Builds outgoing records for the topics of this deployment."""

    consumer_group: str
    unlocked_topic: str
    level_topic: str
    dead_letter_topic: str
    streaks_topic: str
    _descriptions: dict[tuple[str, int], str] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, settings: KafkaSettings) -> Self:
        """Those of the worker with these settings."""
        return cls(
            consumer_group=settings.consumer_group,
            unlocked_topic=settings.unlocked_topic,
            level_topic=settings.level_topic,
            dead_letter_topic=settings.dead_letter_topic,
            streaks_topic=settings.streaks_topic,
        )

    def unlocked(self, unlock: Unlock, traceparent: str | None) -> OutboxRecord:
        """The AchievementUnlocked event of an unlock.

        Written field by field, since a replay unlocks an achievement every third event; the model
        would write the same and take twice as long.
        """
        trigger, progress, user_id = unlock.trigger, unlock.progress, unlock.user_id
        event_id = unlock_event_id(user_id, unlock.achievement.id)
        time = utc_text(trigger.completed_at)
        value = (
            f'{{"event_id":"{event_id}","user_id":{_json(user_id)},'
            f"{self._description(unlock)},"
            f'"unlocked_at":"{time}","triggering_event_id":"{trigger.event_id}",'
            f'"criteria":{{"measure":{_constant(progress.measure)},'
            f'"value":{progress.current},"target":{progress.target}}},'
            f'"rule_version":{unlock.rule_version},'
            f'"backdated":{"true" if unlock.backdated else "false"}}}'
        )
        headers = binary_headers(event_id, EVENT_SOURCE, ACHIEVEMENT_UNLOCKED, time, traceparent)
        return OutboxRecord(self.unlocked_topic, user_id.encode(), value.encode(), headers)

    def _description(self, unlock: Unlock) -> str:
        """The fields that the rule book decides, as the inside of a JSON object."""
        achievement = unlock.achievement
        key = achievement.id, unlock.rule_version
        known = self._descriptions.get(key)
        if known is None:
            fields = {"achievement_id": achievement.id} | {
                name: getattr(achievement, name) for name in _DESCRIPTION
            }
            known = self._descriptions[key] = _json(fields)[1:-1]
        return known

    def level_changed(self, change: LevelChange, traceparent: str | None) -> OutboxRecord:
        """The SkillLevelChanged event of a level that rose or fell."""
        event_id = level_change_event_id(
            change.user_id,
            change.topic,
            change.triggering_event_id,
            change.triggering_revision,
            change.level,
        )
        event = SkillLevelChanged(
            event_id=event_id,
            user_id=change.user_id,
            topic=change.topic,
            previous_level=change.previous_level,
            level=change.level,
            changed_at=change.changed_at,
            triggering_event_id=change.triggering_event_id,
            exercises_completed=change.completions,
            average_grade=change.average_grade,
        )
        time = utc_text(change.changed_at)
        headers = binary_headers(
            str(event_id), EVENT_SOURCE, SKILL_LEVEL_CHANGED, time, traceparent
        )
        value = event.model_dump_json().encode()
        return OutboxRecord(self.level_topic, change.user_id.encode(), value, headers)

    def streak_at_risk(self, warning: StreakWarning, decided_at: dt.datetime) -> OutboxRecord:
        """The StreakAtRisk event of a warning that was decided on at this instant (aware)."""
        event_id = streak_at_risk_event_id(warning.user_id, warning.local_day)
        event = StreakAtRisk(event_id=event_id, **warning._asdict())
        headers = binary_headers(
            str(event_id), EVENT_SOURCE, STREAK_AT_RISK, utc_text(decided_at), None
        )
        value = event.model_dump_json().encode()
        return OutboxRecord(self.streaks_topic, warning.user_id.encode(), value, headers)

    def dead_letter(self, letter: DeadLetter, failed_at: dt.datetime) -> OutboxRecord:
        """The record unchanged, with headers that say where it came from and what is wrong."""
        record, error = letter.record, letter.error
        about = {
            "original-topic": record.topic,
            "original-partition": str(record.partition),
            "original-offset": str(record.offset),
            "original-timestamp": str(record.timestamp),
            "consumer-group": self.consumer_group,
            "reason": error.reason.value,
            "message": str(error),
            "failed-at": failed_at.isoformat(),
            "attempts": str(letter.attempts),
            "worker-version": __version__,
        }
        headers = [*record.headers]
        headers += [(f"dlq.{name}", content.encode()) for name, content in about.items()]
        return OutboxRecord(self.dead_letter_topic, record.key, record.value, headers)


def _json(value: object) -> str:
    return to_json(value).decode()


_constant: Final = cache(_json)
