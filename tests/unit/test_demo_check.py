"""The demo's comparison: silent when all is true, and one sentence for anything that is not."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from progress_worker.demo.check import (
    Announcement,
    Findings,
    StoredLearner,
    ViewedLearner,
    differences,
)
from progress_worker.demo.sent import Expectation, LearnerTotals, expect
from progress_worker.events.models import unlock_event_id
from progress_worker.generator.generator import GeneratedRecord, Kind, generate
from progress_worker.settings.rules import load_rules
from progress_worker.settings.shared import SharedSettings

END = dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def records() -> list[GeneratedRecord]:
    return list(generate(1_500, 3, 20, END, revision_share=0.05))


@pytest.fixture(scope="module")
def expected(records: list[GeneratedRecord]) -> Expectation:
    settings = SharedSettings()
    return expect(records, load_rules(settings).book)


@pytest.fixture
def found(expected: Expectation) -> Findings:
    """What a worker without a fault leaves behind."""
    unlocks = list(expected.unlocks.elements())
    user_id = min(expected.learners)
    sums = expected.learners[user_id]
    return Findings(
        outcomes=Counter(expected.outcomes),
        learners={
            user_id: StoredLearner(
                totals=sums._replace(days=()),
                active_days=frozenset(day for day, _ in sums.days),
                snapshots=sums,
            )
            for user_id, sums in expected.learners.items()
        },
        unlocks=unlocks,
        announcements=[
            Announcement(
                unlock.user_id.encode(),
                unlock_event_id(unlock.user_id, unlock.achievement_id),
                unlock_event_id(unlock.user_id, unlock.achievement_id),
                unlock,
            )
            for unlock in unlocks
        ],
        letters=list(expected.letters.elements()),
        viewed=ViewedLearner(
            user_id=user_id,
            exercises_completed=sums.completions,
            time_spent_seconds=sums.time_spent_seconds,
            hints_used=sums.hints_used,
            average_grade=sums.grade_hundredths / sums.graded / 100,
            longest_streak=sums.longest_streak,
            achievements=sum(unlock.user_id == user_id for unlock in unlocks),
        ),
        seconds=1.0,
    )


def test_what_was_sent_is_varied_enough_to_be_a_check(
    records: list[GeneratedRecord], expected: Expectation
) -> None:
    assert {record.kind for record in records} == set(Kind)
    assert len(expected.learners) == 20
    assert expected.unlocks.total() > 100
    assert expected.letters.total() >= 5
    assert max(sums.longest_streak for sums in expected.learners.values()) > 7


def test_a_truthful_worker_has_no_differences(expected: Expectation, found: Findings) -> None:
    assert differences(expected, found) == []


def test_the_highest_revision_counts_and_a_revoked_one_does_not(
    records: list[GeneratedRecord], expected: Expectation
) -> None:
    shuffled = sorted(
        (record.completion for record in records if record.completion),
        key=lambda completion: completion.revision,
    )
    last = {(completion.user_id, completion.event_id): completion for completion in shuffled}
    counting = [completion for completion in last.values() if not completion.revoked]
    assert len(counting) < len(last)
    assert sum(sums.completions for sums in expected.learners.values()) == len(counting)
    assert sum(sums.grade_hundredths for sums in expected.learners.values()) == sum(
        completion.grade_hundredths or 0 for completion in counting
    )


@pytest.mark.parametrize(
    ("days", "longest"),
    [((), 0), ((1,), 1), ((1, 2, 3, 5), 3), ((1, 3, 4, 5, 6, 9, 10), 4)],
)
def test_the_longest_streak_is_a_run_of_days(days: tuple[int, ...], longest: int) -> None:
    sums = LearnerTotals(days=tuple((dt.date(2026, 11, day), 1) for day in days))
    assert sums.longest_streak == longest


def change_learner(found: Findings, change: Callable[[StoredLearner], StoredLearner]) -> None:
    user_id = max(found.learners)
    found.learners[user_id] = change(found.learners[user_id])


def lose_learner(found: Findings) -> None:
    del found.learners[max(found.learners)]


def add_learner(found: Findings) -> None:
    found.learners["nobody"] = StoredLearner(LearnerTotals(), frozenset(), LearnerTotals())


def change_totals(found: Findings) -> None:
    change_learner(
        found,
        lambda learner: learner._replace(
            totals=learner.totals._replace(grade_hundredths=learner.totals.grade_hundredths + 1)
        ),
    )


def lose_snapshot(found: Findings) -> None:
    change_learner(
        found,
        lambda learner: learner._replace(
            snapshots=learner.snapshots._replace(days=learner.snapshots.days[1:])
        ),
    )


def move_completion_to_another_day(found: Findings) -> None:
    def move(learner: StoredLearner) -> StoredLearner:
        (first, count), (second, other), *rest = learner.snapshots.days
        days = ((first, count + 1), (second, other - 1), *rest)
        return learner._replace(snapshots=learner.snapshots._replace(days=days))

    change_learner(found, move)


def lose_active_day(found: Findings) -> None:
    change_learner(
        found,
        lambda learner: learner._replace(
            active_days=learner.active_days - {min(learner.active_days)}
        ),
    )


def double_letter(found: Findings) -> None:
    found.letters.append(found.letters[0])


def change_letter_key(found: Findings) -> None:
    found.letters[0] = found.letters[0]._replace(key=b"another")


def change_letter_value(found: Findings) -> None:
    found.letters[0] = found.letters[0]._replace(value=(found.letters[0].value or b"") + b" ")


def change_letter_headers(found: Findings) -> None:
    found.letters[0] = found.letters[0]._replace(headers=(("added", b"1"),))


def change_reason(found: Findings) -> None:
    found.letters[0] = found.letters[0]._replace(reason="other_reason")


def lose_letter(found: Findings) -> None:
    found.letters.pop()


def lose_unlock(found: Findings) -> None:
    found.unlocks.pop()


def double_unlock(found: Findings) -> None:
    found.unlocks.append(found.unlocks[0])


def change_trigger(found: Findings) -> None:
    found.unlocks[0] = found.unlocks[0]._replace(triggering_event_id=uuid4())


def lose_announcement(found: Findings) -> None:
    found.announcements.pop()


def double_announcement(found: Findings) -> None:
    found.announcements.append(found.announcements[0])


def change_event_id(found: Findings) -> None:
    found.announcements[0] = found.announcements[0]._replace(event_id=str(UUID(int=0)))


def change_ce_id(found: Findings) -> None:
    found.announcements[0] = found.announcements[0]._replace(ce_id=str(uuid4()))


def change_announcement_key(found: Findings) -> None:
    found.announcements[0] = found.announcements[0]._replace(key=None)


def count_repeat_as_new(found: Findings) -> None:
    assert found.outcomes
    found.outcomes["applied"] += 1
    found.outcomes["duplicate"] -= 1


def view_other_grade(found: Findings) -> None:
    found.viewed = found.viewed._replace(average_grade=50.0)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lose_learner, "has no learner"),
        (add_learner, "has a learner nobody"),
        (change_totals, "grade_hundredths .* in the totals"),
        (lose_snapshot, "days that differ, first on .* in the daily snapshots"),
        (move_completion_to_another_day, "days that differ"),
        (lose_active_day, "active days"),
        (double_letter, "is new on the dead-letter topic"),
        (change_letter_key, "missing or changed"),
        (change_letter_value, "missing or changed"),
        (change_letter_headers, "missing or changed"),
        (change_reason, "reason other_reason is there 1 times, not 0"),
        (lose_letter, "missing or changed"),
        (lose_unlock, "The unlock .* is there 0 times, not 1"),
        (double_unlock, "The unlock .* is there 2 times, not 1"),
        (change_trigger, "The unlock .* is there 0 times, not 1"),
        (lose_announcement, "The announcement of .* is there 0 times, not 1"),
        (double_announcement, "The announcement of .* is there 2 times, not 1"),
        (change_event_id, "has the ids 00000000"),
        (change_ce_id, "has the ids"),
        (change_announcement_key, "has another key"),
        (count_repeat_as_new, "count of events applied is there"),
        (view_other_grade, "The view says average_grade 50.0"),
    ],
)
def test_whatever_is_not_true_is_told(
    spoil: Callable[[Findings], None], sentence: str, expected: Expectation, found: Findings
) -> None:
    spoil(found)
    assert re.search(sentence, "\n".join(differences(expected, found)))
