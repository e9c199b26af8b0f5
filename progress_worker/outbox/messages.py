"""Builds the records that go to the outbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple, Protocol, Self
from uuid import UUID

from pydantic_core import to_json

from progress_worker import __version__
from progress_worker.domain.achievements import Achievement
from progress_worker.domain.evidence import parts_of
from progress_worker.domain.expiry import StreakWarning
from progress_worker.domain.reducer import LevelChange, Unlock
from progress_worker.domain.revocation import Loss
from progress_worker.errors import PoisonError
from progress_worker.events.cloudevents import Headers, binary_headers, utc_text
from progress_worker.events.commands import ERASURE_REQUESTED
from progress_worker.events.identities import (
    backfilled_event_id,
    inactivity_erasure_id,
    level_change_event_id,
    revoked_event_id,
    streak_at_risk_event_id,
    unlock_event_id,
)
from progress_worker.events.models import (
    ACHIEVEMENT_REVOKED,
    ACHIEVEMENT_UNLOCKED,
    ACHIEVEMENTS_BACKFILLED,
    LEARNER_ERASED,
    SKILL_LEVEL_CHANGED,
    STREAK_AT_RISK,
    AchievementRevoked,
    AchievementsBackfilled,
    BackfilledUnlock,
    LearnerErased,
    SkillLevelChanged,
    StreakAtRisk,
)
from progress_worker.settings.worker import Settings
from progress_worker.storage.write.outbox import OutboxRecord

#: The `ce_source` of every event that the worker publishes.
EVENT_SOURCE: Final = "/progress-worker"


#: What an unlock's event takes from the rule book, in the order of the model's fields.
_DESCRIPTION: Final = ("name", "description", "category", "tier", "points", "icon")

#: What it takes of each translation.
_TRANSLATED: Final = ("name", "description")


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
    changes_topic: str
    erased_topic: str
    commands_topic: str
    emit_revocations: bool = True
    unlock_translations: bool = False
    _descriptions: dict[tuple[str, int], str] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the worker with these settings."""
        return cls(
            consumer_group=settings.consumer_group,
            unlocked_topic=settings.unlocked_topic,
            level_topic=settings.level_topic,
            dead_letter_topic=settings.dead_letter_topic,
            streaks_topic=settings.streaks_topic,
            changes_topic=settings.changes_topic,
            erased_topic=settings.erased_topic,
            commands_topic=settings.commands_topic,
            emit_revocations=settings.emit_revocations,
            unlock_translations=settings.unlock_translations,
        )

    def unlocked(
        self, unlock: Unlock, traceparent: str | None, *, quiet: bool = False
    ) -> OutboxRecord:
        """The AchievementUnlocked event of an unlock; `quiet` if the learner wants no bell.

        Written field by field, since a replay unlocks an achievement every third event; the model
        would write the same and take twice as long.
        """
        trigger, progress, user_id = unlock.trigger, unlock.progress, unlock.user_id
        event_id = event_id_of(unlock)
        time = utc_text(trigger.completed_at)
        value = (
            f'{{"event_id":"{event_id}","user_id":{_json(user_id)},'
            f"{self._description(unlock)},"
            f'"unlocked_at":"{time}","triggering_event_id":"{trigger.event_id}",'
            f'"criteria":{{"measure":{_constant(progress.measure)},'
            f'"value":{progress.current},"target":{progress.target},'
            f'"parts":{_json(parts_of(progress)) if progress.parts else "[]"}}},'
            f'"rule_version":{unlock.rule_version},'
            f'"backdated":{"true" if unlock.backdated else "false"},'
            f'"occurrence":{unlock.occurrence},"generation":{unlock.generation},'
            f'"family":{_constant(unlock.achievement.family)},'
            f'"rules_digest":"{unlock.rules_digest}",'
            f'"quiet":{"true" if quiet else "false"}}}'
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
            if self.unlock_translations and (translations := _translations(achievement)):
                fields["translations"] = translations
            known = self._descriptions[key] = _json(fields)[1:-1]
        return known

    def revoked(self, losses: Iterable[Loss], at: dt.datetime) -> list[OutboxRecord]:
        """The AchievementRevoked events of losses that were noticed at this instant (aware).

        None where they are switched off.
        """
        return [self._revoked(loss, at) for loss in losses] if self.emit_revocations else []

    def _revoked(self, loss: Loss, at: dt.datetime) -> OutboxRecord:
        unlock = loss.user_id, loss.achievement.id, loss.occurrence, loss.generation
        event = AchievementRevoked(
            event_id=revoked_event_id(*unlock),
            user_id=loss.user_id,
            achievement_id=loss.achievement.id,
            occurrence=loss.occurrence,
            generation=loss.generation,
            unlock_event_id=UUID(unlock_event_id(*unlock)),
            reason=loss.reason,
            revoked_at=at,
            rule_version=loss.rule_version,
        )
        return self._record(self.changes_topic, ACHIEVEMENT_REVOKED, event, at)

    def backfilled(
        self, unlocks: Sequence[Unlock], at: dt.datetime, *, quiet: bool = False
    ) -> OutboxRecord:
        """The digest of all that one learner has earned by a new rule book; one unlock or more.

        `quiet` if the learner wants no bell.
        """
        user_id, digest = unlocks[0].user_id, unlocks[0].rules_digest
        event = AchievementsBackfilled(
            event_id=backfilled_event_id(user_id, digest),
            user_id=user_id,
            rule_version=unlocks[0].rule_version,
            rules_digest=digest,
            quiet=quiet,
            achievements=[_in_digest(unlock) for unlock in unlocks],
        )
        return self._record(self.changes_topic, ACHIEVEMENTS_BACKFILLED, event, at)

    @staticmethod
    def _record(
        topic: str,
        event_type: str,
        event: AchievementRevoked | AchievementsBackfilled,
        at: dt.datetime,
    ) -> OutboxRecord:
        headers = binary_headers(str(event.event_id), EVENT_SOURCE, event_type, utc_text(at), None)
        return OutboxRecord(
            topic, event.user_id.encode(), event.model_dump_json().encode(), headers
        )

    def erased(self, user_id: str, erasure_id: UUID, at: dt.datetime) -> OutboxRecord:
        """The LearnerErased event of an erasure at this instant (aware)."""
        event = LearnerErased(erasure_id=erasure_id, erased_at=at)
        headers = binary_headers(str(erasure_id), EVENT_SOURCE, LEARNER_ERASED, utc_text(at), None)
        value = event.model_dump_json().encode()
        return OutboxRecord(self.erased_topic, user_id.encode(), value, headers)

    def erasure_requested(self, user_id: str, erasure_id: UUID, at: dt.datetime) -> OutboxRecord:
        """The command to erase a learner up to this instant (aware)."""
        data = {"erasure_id": erasure_id, "user_id": user_id, "requested_at": at}
        headers = binary_headers(
            str(erasure_id), EVENT_SOURCE, ERASURE_REQUESTED, utc_text(at), None
        )
        return OutboxRecord(self.commands_topic, user_id.encode(), to_json(data), headers)

    def inactivity_ended(self, user_id: str, ended: dt.date, at: dt.datetime) -> OutboxRecord:
        """The same for a learner whose last day was the one before `ended`; always the same id."""
        return self.erasure_requested(user_id, inactivity_erasure_id(user_id, ended), at)

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


def event_id_of(unlock: Unlock) -> str:
    """The identity of an unlock's event."""
    return unlock_event_id(
        unlock.user_id, unlock.achievement.id, unlock.occurrence, unlock.generation
    )


def _in_digest(unlock: Unlock) -> BackfilledUnlock:
    achievement = unlock.achievement
    return BackfilledUnlock(
        event_id=UUID(event_id_of(unlock)),
        achievement_id=achievement.id,
        name=achievement.name,
        category=achievement.category,
        tier=achievement.tier,
        points=achievement.points,
        icon=achievement.icon,
        unlocked_at=unlock.trigger.completed_at,
        occurrence=unlock.occurrence,
        generation=unlock.generation,
    )


def _translations(achievement: Achievement) -> dict[str, dict[str, str]]:
    """What subscribers read in other languages, complete in each."""
    return {
        language: {name: getattr(achievement.texts(language), name) for name in _TRANSLATED}
        for language, translation in sorted(achievement.translations.items())
        if translation.name or translation.description
    }


def _json(value: object) -> str:
    return to_json(value).decode()


_constant: Final = cache(_json)
