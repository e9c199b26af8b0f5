"""What a batch has to tell others, as records for the outbox."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from progress_worker import __version__
from progress_worker.domain.reducer import LevelChange, Unlock
from progress_worker.errors import PoisonError
from progress_worker.events.cloudevents import Headers, binary_headers
from progress_worker.events.models import (
    ACHIEVEMENT_UNLOCKED,
    SKILL_LEVEL_CHANGED,
    AchievementUnlocked,
    Criteria,
    SkillLevelChanged,
    level_change_event_id,
    unlock_event_id,
)
from progress_worker.storage.outbox import OutboxRecord


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


@dataclass(frozen=True, slots=True)
class Messages:
    """Builds outgoing records for the topics and the source of this deployment."""

    source: str
    consumer_group: str
    unlocked_topic: str
    level_topic: str
    dead_letter_topic: str

    def unlocked(self, unlock: Unlock, traceparent: str | None) -> OutboxRecord:
        """The AchievementUnlocked event of an unlock."""
        achievement, progress = unlock.achievement, unlock.progress
        event_id = unlock_event_id(unlock.user_id, achievement.id)
        event = AchievementUnlocked(
            event_id=event_id,
            user_id=unlock.user_id,
            achievement_id=achievement.id,
            name=achievement.name,
            description=achievement.description,
            category=achievement.category,
            tier=achievement.tier,
            points=achievement.points,
            icon=achievement.icon,
            unlocked_at=unlock.trigger.completed_at,
            triggering_event_id=unlock.trigger.event_id,
            criteria=Criteria(
                measure=progress.measure, value=progress.current, target=progress.target
            ),
            rule_version=unlock.rule_version,
            backdated=unlock.backdated,
        )
        headers = binary_headers(
            event_id, self.source, ACHIEVEMENT_UNLOCKED, event.unlocked_at, traceparent
        )
        value = event.model_dump_json().encode()
        return OutboxRecord(self.unlocked_topic, unlock.user_id.encode(), value, headers)

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
        headers = binary_headers(
            event_id, self.source, SKILL_LEVEL_CHANGED, change.changed_at, traceparent
        )
        value = event.model_dump_json().encode()
        return OutboxRecord(self.level_topic, change.user_id.encode(), value, headers)

    def dead_letter(self, letter: DeadLetter, failed_at: dt.datetime) -> OutboxRecord:
        """The record as it came, with headers that say where from and why."""
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
