"""The model of an explanation: why an achievement was unlocked, or what is missing."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from progress_worker.domain.explained_tree import RuleStatus
from progress_worker.domain.streak_reading import DayStatus
from progress_worker.domain.vocabulary import Difficulty
from progress_worker.http.api.fields import (
    Answer,
    ExerciseTopic,
    Hints,
    LearnerId,
    LocalDay,
    Moment,
    SecondsSpent,
)

_Value = Annotated[int, Meta(ge=0, description="What was measured.", examples=[12])]
_Target = Annotated[int, Meta(ge=1, description="What the rule asks for.", examples=[10])]
_Measure = Annotated[
    str,
    Meta(
        description="What is measured, with the filters of the rule.",
        examples=["exercises_completed[difficulty=hard]", "parts_met"],
    ),
]
_EventId = Annotated[UUID, Meta(description="The completion's event id.")]


class ExplainedDays(Answer, frozen=True, kw_only=True):
    """Consecutive days of one status."""

    first_day: Annotated[dt.date, Meta(description="The first of them.")]
    last_day: Annotated[dt.date, Meta(description="The last of them.")]
    status: Annotated[DayStatus, Meta(description="What they are to a streak of days.")]


class ExplainedNode(Answer, frozen=True, kw_only=True):
    """A rule, a part of one, or an achievement that has to be unlocked before."""

    node: Annotated[int, Meta(ge=0, description="Its number in the tree, from 0.")]
    sentence: Annotated[
        str,
        Meta(
            description="What it measured, in words.",
            examples=["You completed 12 of 10 exercises marked hard."],
        ),
    ]
    rule: Annotated[
        dict[str, Any] | None,
        Meta(
            description="The rule as the rule book writes it; null where achievements are required."
        ),
    ]
    requires: Annotated[
        str | None, Meta(description="The id of the achievement that is required; usually null.")
    ]
    measure: _Measure
    value: _Value
    target: _Target
    missing: Annotated[int, Meta(ge=0, description="How much is missing to the target.")]
    holds: Annotated[bool, Meta(description="Whether the target is reached.")]
    window: Annotated[
        str | None,
        Meta(
            description="The day, week or month that counts, where the rule counts within one: the "
            "best so far. Null where completions that counted in it were deleted.",
            examples=["2026-11-30", "202648", "2026-11"],
        ),
    ]
    days: Annotated[
        list[ExplainedDays] | None,
        Meta(description="The longest streak, for a rule about streaks; else null."),
    ]
    parts: Annotated[list[ExplainedNode], Meta(description="The parts of the rule.")]


class StoredNode(Answer, frozen=True, kw_only=True):
    """What a rule or a part of one measured."""

    measure: _Measure
    value: _Value
    target: _Target
    parts: Annotated[list[StoredNode], Meta(description="The parts of the rule.")]


class Trigger(Answer, frozen=True, kw_only=True):
    """The completion that completed the rule."""

    event_id: _EventId
    completed_at: Annotated[Moment, Meta(description="When it was completed, as known then.")]
    still_counts: Annotated[
        bool, Meta(description="False if it was revoked or deleted since; it counts nowhere then.")
    ]


class UnlockExplained(Answer, frozen=True, kw_only=True):
    """The unlock as it is stored."""

    unlocked_at: Annotated[Moment, Meta(description="`completed_at` of the trigger.")]
    recorded_at: Annotated[
        Moment | None,
        Meta(description="When it was stored; null if an old release stored it."),
    ]
    generation: Annotated[
        int,
        Meta(ge=1, description="More than 1 if it was lost and earned again.", examples=[1]),
    ]
    backdated: Annotated[
        bool,
        Meta(
            description="Whether it was found by deriving the learner again, and not by an event."
        ),
    ]
    trigger: Annotated[Trigger, Meta(description="What completed the rule.")]
    measured: Annotated[
        StoredNode,
        Meta(description="What the rule measured then. `rule` has what it measures today."),
    ]


class StillHolds(Answer, frozen=True, kw_only=True):
    """Whether the rule holds for what is stored today."""

    by_rules_of_that_day: Annotated[
        bool, Meta(description="By the rule book that gave the unlock, which `rule_version` names.")
    ]
    by_todays_rules: Annotated[
        bool | None,
        Meta(
            description="By the active rule book; null if it has no such achievement or occurrence."
        ),
    ]
    todays_rule_version: Annotated[int, Meta(description="The version of the active rule book.")]
    todays_status: Annotated[
        RuleStatus, Meta(description="The achievement's status in the active rule book.")
    ]


class Evidence(Answer, frozen=True, kw_only=True):
    """Which completions counted, for an audit."""

    count: Annotated[int, Meta(ge=0, description="How many completions counted.")]
    sha256: Annotated[
        str,
        Meta(
            description="SHA-256 in hexadecimal over a line `event_id:revision` for each of them, "
            "sorted, each with a line feed after it."
        ),
    ]
    complete: Annotated[
        bool,
        Meta(
            description="False if older completions were deleted: more may have counted than count "
            "here."
        ),
    ]
    completions_kept_from: Annotated[
        Moment | None, Meta(description="Completions before this may be deleted; usually null.")
    ]


class CountedCompletion(Answer, frozen=True, kw_only=True):
    """A completion that counted."""

    event_id: _EventId
    revision: Annotated[int, Meta(ge=0, description="Its highest revision.")]
    nodes: Annotated[list[int], Meta(description="The nodes of the tree that it counted for.")]
    exercise_id: Annotated[str, Meta(description="The exercise.", examples=["two-sum"])]
    topic: ExerciseTopic
    difficulty: Annotated[Difficulty, Meta(description="The difficulty.")]
    grade: Annotated[float | None, Meta(description="The grade in percent; null when not graded.")]
    time_spent_seconds: SecondsSpent
    hints_used: Hints
    completed_at: Annotated[Moment, Meta(description="When it was completed.")]
    local_day: LocalDay


class ExplanationAnswer(Answer, frozen=True, kw_only=True):
    """Why an achievement was unlocked, or what is missing."""

    user_id: LearnerId
    id: Annotated[str, Meta(description="The achievement's id.", examples=["first_steps"])]
    name: Annotated[str, Meta(description="Its name.", examples=["First steps"])]
    occurrence: Annotated[
        int | None,
        Meta(
            description="Which one, of an achievement that repeats: a multiple, or a week as in "
            "202648. Null if it repeats with each week and none is unlocked.",
            examples=[1],
        ),
    ]
    rule_version: Annotated[
        int,
        Meta(
            description="The version of the rule book that `rule` is of: the one that gave the "
            "unlock, or else the learner's."
        ),
    ]
    rules_of_that_day: Annotated[
        bool,
        Meta(
            description="False if there is an unlock and the database does not have the rule book "
            "that gave it; `rule` is the learner's then."
        ),
    ]
    unlock: Annotated[UnlockExplained | None, Meta(description="The unlock; null while locked.")]
    still_holds: Annotated[
        StillHolds | None,
        Meta(description="Whether the rule holds today; null while locked."),
    ]
    progress_hidden: Annotated[
        bool,
        Meta(description="Whether the progress is hidden. The rule and what counted are, too."),
    ]
    rule: Annotated[
        ExplainedNode | None,
        Meta(description="The rule as a tree, and what it measures today; null where hidden."),
    ]
    evidence: Annotated[
        Evidence | None, Meta(description="What counted, over all pages; null where hidden.")
    ]
    completions: Annotated[
        list[CountedCompletion], Meta(description="A page of what counted, newest first.")
    ]
    next: Annotated[
        str | None,
        Meta(description="For the next page, send this as `before`; null on the last page."),
    ]
