"""What is published of unlocks and losses, as it is read and as it must follow from a chain."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from aiokafka import ConsumerRecord

from tests.harness.chains import Chain, Lost, Unlocked

#: The contract's namespace; it is not imported, so that a change is noticed.
_NAMESPACE = UUID("6f5d1d0e-9d52-5b0c-8a4e-2f6a0c7d3b11")


class PublishedUnlock(NamedTuple):
    """A record of the achievement-unlocked topic."""

    key: bytes | None
    ce_type: str
    ce_id: str
    event_id: str
    user_id: str
    achievement_id: str
    occurrence: int
    generation: int
    unlocked_at: dt.datetime
    triggering_event_id: str
    rule_version: int
    rules_digest: str
    value: int
    target: int
    backdated: bool


class PublishedLoss(NamedTuple):
    """A record of the achievement-changes topic."""

    key: bytes | None
    ce_type: str
    ce_id: str
    event_id: str
    user_id: str
    achievement_id: str
    occurrence: int
    generation: int
    unlock_event_id: str
    reason: str
    rule_version: int


class Told(NamedTuple):
    """All that is published of some chains."""

    unlocks: frozenset[PublishedUnlock] = frozenset()
    losses: frozenset[PublishedLoss] = frozenset()


def told_of(chains: Iterable[Chain]) -> Told:
    """What must be published."""
    every = list(chains)
    return Told(
        frozenset(_unlock(each) for chain in every for each in chain.unlocked),
        frozenset(_loss(chain, each) for chain in every for each in chain.lost),
    )


def told_by_occurrence(
    unlocks: Iterable[PublishedUnlock], losses: Iterable[PublishedLoss]
) -> Mapping[tuple[str, str, int], Told]:
    """What was published, by learner, achievement and occurrence."""
    told: dict[tuple[str, str, int], Told] = defaultdict(Told)
    for unlock in unlocks:
        key = unlock.user_id, unlock.achievement_id, unlock.occurrence
        told[key] = Told(told[key].unlocks | {unlock}, told[key].losses)
    for loss in losses:
        key = loss.user_id, loss.achievement_id, loss.occurrence
        told[key] = Told(told[key].unlocks, told[key].losses | {loss})
    return told


def _unlock_id(user_id: str, achievement_id: str, occurrence: int, generation: int) -> str:
    later = "" if occurrence == generation == 1 else f"\0{occurrence}\0{generation}"
    return str(uuid5(_NAMESPACE, f"{user_id}\0{achievement_id}{later}"))


def _unlock(row: Unlocked) -> PublishedUnlock:
    identity = _unlock_id(*row[:4])
    return PublishedUnlock(
        key=row.user_id.encode(),
        ce_type="achievement.unlocked.v1",
        ce_id=identity,
        event_id=identity,
        user_id=row.user_id,
        achievement_id=row.achievement_id,
        occurrence=row.occurrence,
        generation=row.generation,
        unlocked_at=row.unlocked_at,
        triggering_event_id=str(row.triggering_event_id),
        rule_version=row.rule_version,
        rules_digest=row.rules_digest,
        value=row.value,
        target=row.target,
        backdated=row.backdated,
    )


def _loss(chain: Chain, lost: Lost) -> PublishedLoss:
    user_id, achievement_id, occurrence, *_ = chain.unlocked[0]
    named = f"{user_id}\0revoked\0{achievement_id}\0{occurrence}\0{lost.generation}"
    identity = str(uuid5(_NAMESPACE, named))
    return PublishedLoss(
        key=user_id.encode(),
        ce_type="achievement.revoked.v1",
        ce_id=identity,
        event_id=identity,
        user_id=user_id,
        achievement_id=achievement_id,
        occurrence=occurrence,
        generation=lost.generation,
        unlock_event_id=_unlock_id(user_id, achievement_id, occurrence, lost.generation),
        reason=lost.reason,
        rule_version=lost.rule_version,
    )


def unlock_in(record: ConsumerRecord) -> PublishedUnlock:
    """What a record of the achievement-unlocked topic says."""
    data: dict[str, Any] = json.loads(record.value)
    return PublishedUnlock(
        **_told(record, data),
        unlocked_at=dt.datetime.fromisoformat(data["unlocked_at"]),
        triggering_event_id=data["triggering_event_id"],
        rule_version=data["rule_version"],
        rules_digest=data["rules_digest"],
        value=data["criteria"]["value"],
        target=data["criteria"]["target"],
        backdated=data["backdated"],
    )


def loss_in(record: ConsumerRecord) -> PublishedLoss:
    """What a record of the achievement-changes topic says. Back-fills have no place in it."""
    data: dict[str, Any] = json.loads(record.value)
    return PublishedLoss(
        **_told(record, data),
        unlock_event_id=data["unlock_event_id"],
        reason=data["reason"],
        rule_version=data["rule_version"],
    )


def _told(record: ConsumerRecord, data: Mapping[str, Any]) -> dict[str, Any]:
    """What the records of both topics say."""
    headers = dict(record.headers)
    names = ("event_id", "user_id", "achievement_id", "occurrence", "generation")
    return {
        "key": record.key,
        "ce_type": headers["ce_type"].decode(),
        "ce_id": headers["ce_id"].decode(),
        **{name: data[name] for name in names},
    }
