"""Histories of a few learners: revisions, revocations, zones, days close together."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from progress_worker.domain.calendar import local_day, local_time, utc_offset_minutes
from progress_worker.domain.completion import Completion

MIDNIGHT = dt.datetime(2026, 3, 28, tzinfo=dt.UTC)
TOPICS = ("algorithms", "databases", "networking")
_ZONES = (None, "UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago")
#: Of completions that name no zone.
_OFFSETS = (0, 0, 120, -600, 780)
#: The bounds of the levels and filters, and what lies next to them.
_GRADES = (None, None, None, 0, 59_99, 60_00, 69_99, 70_00, 79_99, 80_00, 89_99, 90_00, 100_00)


def completion(event: int = 0, **changes: Any) -> Completion:
    """A completion of its own for each number; its local day follows from instant and zone."""
    made = Completion(
        user_id="ada",
        event_id=UUID(int=event),
        revision=0,
        revoked=False,
        exercise_id="two-sum",
        topic="algorithms",
        difficulty="medium",
        grade_hundredths=75_00,
        time_spent_seconds=600,
        hints_used=1,
        completed_at=MIDNIGHT + dt.timedelta(hours=12),
        timezone=None,
        local_day=dt.date.min,
    )._replace(**changes)
    if "local_day" in changes:
        return made
    offset = dt.timezone(dt.timedelta(minutes=made.utc_offset_minutes or 0))
    local = local_time(made.completed_at.astimezone(offset), made.timezone)
    hour = made.day_starts_at or 0
    return made._replace(
        local_day=local_day(local, hour),
        utc_offset_minutes=utc_offset_minutes(local),
        local_day_hour=hour,
    )


@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    """What one revision of a completion may say."""
    # A slot of three hours, so that instants coincide and zones disagree about the day.
    slot = draw(st.integers(0, 8 * 6))
    return {
        "revoked": draw(st.sampled_from((False, False, False, True))),
        "exercise_id": draw(st.sampled_from(("two-sum", "sort", "join"))),
        "topic": draw(st.sampled_from(TOPICS)),
        "difficulty": draw(st.sampled_from(("easy", "medium", "hard"))),
        "grade_hundredths": draw(st.sampled_from(_GRADES)),
        "time_spent_seconds": draw(st.sampled_from((0, 1, 600, 86_400))),
        "hints_used": draw(st.sampled_from((0, 0, 1, 3))),
        "completed_at": MIDNIGHT + dt.timedelta(hours=3 * slot),
        "timezone": draw(st.sampled_from(_ZONES)),
        "utc_offset_minutes": draw(st.sampled_from(_OFFSETS)),
        "day_starts_at": draw(st.sampled_from((None, None, 0, 4, 23))),
    }


_IDENTITIES = st.tuples(
    st.sampled_from(("ada", "ada", "grace")), st.integers(1, 9), st.integers(0, 3)
)


@st.composite
def histories(draw: st.DrawFn) -> list[Completion]:
    """Arrivals in any order and with repeats; each revision has one content."""
    said = draw(st.dictionaries(_IDENTITIES, contents(), min_size=1, max_size=24))
    revisions = [
        completion(event, user_id=user_id, revision=revision, **content)
        for (user_id, event, revision), content in said.items()
    ]
    again = draw(st.lists(st.sampled_from(revisions), max_size=6))
    return draw(st.permutations([*revisions, *again]))


@st.composite
def fresh_histories(draw: st.DrawFn) -> list[Completion]:
    """Arrivals of one learner without a revision or a revocation."""
    said = draw(st.lists(contents(), min_size=1, max_size=24))
    return [
        completion(event, **(content | {"revoked": False})) for event, content in enumerate(said)
    ]


def cuts() -> st.SearchStrategy[list[int]]:
    """Lengths of batches."""
    return st.lists(st.integers(1, 8), max_size=8)
