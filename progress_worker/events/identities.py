"""Identities that are derived from what an event says, so that one told twice is known."""

from __future__ import annotations

import datetime as dt
from hashlib import sha1
from typing import Final
from uuid import UUID, uuid5

from progress_worker.domain.vocabulary import Level

#: The namespace of every derived identifier. It may never change.
NAMESPACE: Final = UUID("6f5d1d0e-9d52-5b0c-8a4e-2f6a0c7d3b11")

_NAMESPACE_BYTES: Final = NAMESPACE.bytes


def unlock_event_id(
    user_id: str, achievement_id: str, occurrence: int = 1, generation: int = 1
) -> str:
    """The identity of an unlock, derived from learner and achievement.

    Occurrence and generation are a part of it where one of them is not 1. No other identity is
    derived from exactly four parts.
    """
    name = f"{user_id}\0{achievement_id}"
    if occurrence != 1 or generation != 1:
        name += f"\0{occurrence}\0{generation}"
    # The same as uuid5 (RFC 9562, 5.5), without making an object.
    digest = sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False)
    text = digest.hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def level_change_event_id(
    user_id: str, topic: str, triggering_event_id: UUID, revision: int, level: Level
) -> UUID:
    """The identity of a level change, derived from what changed the level."""
    return uuid5(NAMESPACE, f"{user_id}\0{topic}\0{triggering_event_id}\0{revision}\0{level}")


def revoked_event_id(user_id: str, achievement_id: str, occurrence: int, generation: int) -> UUID:
    """The identity of a loss, derived from the unlock that is lost."""
    return uuid5(NAMESPACE, f"{user_id}\0revoked\0{achievement_id}\0{occurrence}\0{generation}")


def backfilled_event_id(user_id: str, rules_digest: str) -> UUID:
    """The identity of a back-fill's digest, derived from learner and rule book."""
    return uuid5(NAMESPACE, f"{user_id}\0backfilled\0{rules_digest}")


def streak_at_risk_event_id(user_id: str, local_day: dt.date) -> UUID:
    """The identity of a warning, derived from learner and local day.

    Of those derived from three parts, no other one has this second part. No part can hold a NUL.
    """
    return uuid5(NAMESPACE, f"{user_id}\0at_risk\0{local_day}")


def inactivity_erasure_id(user_id: str, ended: dt.date) -> UUID:
    """The identity of an erasure for inactivity, derived from learner and last day."""
    return uuid5(NAMESPACE, f"{user_id}\0inactive\0{ended}")
