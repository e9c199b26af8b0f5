"""The demo's comparison: silent when all is true, and one sentence for anything that is not."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from uuid import UUID, uuid4

import pytest

from progress_worker.demo.check import (
    Announcement,
    Findings,
    ViewedLearner,
    achievements_of,
    differences,
)
from progress_worker.demo.sent import EarnedAchievement, Expectation, expect
from progress_worker.domain.state import LearnerState
from progress_worker.domain.totals import Totals
from progress_worker.domain.vocabulary import Level
from progress_worker.events.identities import unlock_event_id
from progress_worker.generator.generator import GeneratedRecord, Kind, generate
from progress_worker.settings.rules import load_rules
from progress_worker.settings.shared import SharedSettings

END = dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC)


def identity(unlock: EarnedAchievement) -> str:
    """The id of the event that announces it."""
    return unlock_event_id(
        unlock.user_id, unlock.achievement_id, unlock.occurrence, unlock.generation
    )


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
    state = expected.learners[user_id].state
    overall = state.overall
    return Findings(
        outcomes=Counter(expected.outcomes),
        learners={
            user_id: deepcopy(derived.state) for user_id, derived in expected.learners.items()
        },
        unlocks=unlocks,
        announcements=[
            Announcement(
                unlock.user_id.encode(),
                identity(unlock),
                identity(unlock),
                unlock,
            )
            for unlock in unlocks
        ],
        letters=list(expected.letters.elements()),
        viewed=ViewedLearner(
            user_id=user_id,
            exercises_completed=overall.completions,
            time_spent_seconds=overall.time_spent_seconds,
            hints_used=overall.hints_used,
            average_grade=overall.grade_hundredths / overall.graded / 100,
            longest_streak=state.streaks.longest_days(expected.book.streak_policy),
            achievements=achievements_of(user_id, unlocks),
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
    earned = {unlock.achievement_id for unlock in expected.unlocks}
    assert {"early_bird", "weekender", "fifty_days_in_all"} <= earned
    assert any(unlock.occurrence > 1 for unlock in expected.unlocks)
    states = [derived.state for derived in expected.learners.values()]
    assert max(state.streaks.longest_days(expected.book.streak_policy) for state in states) > 7


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
    sums = [derived.state.overall for derived in expected.learners.values()]
    assert sum(each.completions for each in sums) == len(counting)
    assert sum(each.grade_hundredths for each in sums) == sum(
        completion.grade_hundredths or 0 for completion in counting
    )


def a_learner(found: Findings) -> LearnerState:
    return found.learners[max(found.learners)]


def two_days(found: Findings) -> Iterator[Totals]:
    """A sum of the first day, and one of the last."""
    days = a_learner(found).days
    for day in (min(days), max(days)):
        yield next(iter(days[day].values()))


def lose_learner(found: Findings) -> None:
    del found.learners[max(found.learners)]


def add_learner(found: Findings) -> None:
    found.learners["nobody"] = LearnerState("nobody")


def change_totals(found: Findings) -> None:
    next(iter(a_learner(found).totals.values())).grade_hundredths += 1


def lose_snapshot(found: Findings) -> None:
    days = a_learner(found).days
    del days[min(days)]


def move_completion_to_another_day(found: Findings) -> None:
    first, last = two_days(found)
    first.completions += 1
    last.completions -= 1


def lose_active_day(found: Findings) -> None:
    days = a_learner(found).active_days
    assert days.remove(min(days))


def change_zone(found: Findings) -> None:
    learner = a_learner(found)
    assert learner.zone
    learner.zone = (*learner.zone[:2], "Antarctica/Troll")


def change_level(found: Findings) -> None:
    learner = a_learner(found)
    topic = min(learner.levels)
    other: Level = "beginner" if learner.level(topic).level != "beginner" else "expert"
    learner.levels[topic] = learner.level(topic)._replace(level=other)


def miscount(found: Findings) -> None:
    counters = a_learner(found).counters
    counters[min(counters)] += 1


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


def change_occurrence(found: Findings) -> None:
    at, again = next((n, each) for n, each in enumerate(found.unlocks) if each.occurrence > 1)
    found.unlocks[at] = again._replace(occurrence=again.occurrence + 1)


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


def view_other_streak(found: Findings) -> None:
    found.viewed = found.viewed._replace(longest_streak=0)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lose_learner, "has no learner"),
        (add_learner, "has a learner nobody"),
        (change_totals, ": total .*grade_hundredths.* derived is"),
        (lose_snapshot, r": day 20\d\d-\d\d-\d\d .*'completions': 0,.* derived is"),
        (move_completion_to_another_day, r"(?s): day .* derived .*: day .* derived"),
        (lose_active_day, ": active days is .* derived is"),
        (change_zone, ": timezone is .*Antarctica/Troll"),
        (change_level, ": level .* is .*, derived is"),
        (miscount, ": counter .* is .*, derived is"),
        (double_letter, "is new on the dead-letter topic"),
        (change_letter_key, "missing or changed"),
        (change_letter_value, "missing or changed"),
        (change_letter_headers, "missing or changed"),
        (change_reason, "reason other_reason is there 1 times, not 0"),
        (lose_letter, "missing or changed"),
        (lose_unlock, "The unlock .* is there 0 times, not 1"),
        (double_unlock, "The unlock .* is there 2 times, not 1"),
        (change_trigger, "The unlock .* is there 0 times, not 1"),
        (change_occurrence, r"The unlock \w+#\d+ of .* is there 0 times, not 1"),
        (lose_announcement, "The announcement of .* is there 0 times, not 1"),
        (double_announcement, "The announcement of .* is there 2 times, not 1"),
        (change_event_id, "has the ids 00000000"),
        (change_ce_id, "has the ids"),
        (change_announcement_key, "has another key"),
        (count_repeat_as_new, "count of events applied is there"),
        (view_other_grade, "The view says average_grade 50.0"),
        (view_other_streak, "The view says longest_streak 0"),
    ],
)
def test_whatever_is_not_true_is_told(
    spoil: Callable[[Findings], None], sentence: str, expected: Expectation, found: Findings
) -> None:
    spoil(found)
    assert re.search(sentence, "\n".join(differences(expected, found)))
