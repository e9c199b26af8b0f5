"""The reducer by example: revisions, revocations, zones, unlocks and their order."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.domain.completion import Completion
from progress_worker.domain.filters import filter_of
from progress_worker.domain.reducer import Effects, Outcome, apply
from progress_worker.domain.rule_kinds import ExercisesCompleted, Rule
from progress_worker.domain.rulebook import read_rule_book
from progress_worker.domain.rules import Progress, compile_rule
from progress_worker.domain.state import Cell, LearnerState
from progress_worker.domain.totals import Totals
from tests.histories import MIDNIGHT, completion

ENTRY = (
    "- {{id: {}, name: N, description: D, category: c, tier: gold, points: 1, icon: i, rule: {}}}"
)
CATALOGUE = "version: 5\nachievements:\n" + "\n".join(
    ENTRY.format(*pair)
    for pair in (
        ("three", "{exercises_completed: {at_least: 3}}"),
        ("one", "{exercises_completed: {at_least: 1}}"),
        ("two_days", "{streak: {days: 2}}"),
        ("hard", "{exercises_completed: {at_least: 1, difficulty: hard}}"),
        ("skilled", "{skill_level: {level: intermediate}}"),
    )
)
BOOK = read_rule_book("levels: {intermediate: {exercises: 2, mean_grade: 60}}\n" + CATALOGUE)


class Learner:
    """Remembers what is stored, as ingest does."""

    def __init__(self) -> None:
        self.state = BOOK.new_learner("ada")
        self.stored: dict[object, Completion] = {}

    def sees(self, arrival: Completion) -> Effects:
        effects = apply(BOOK, self.state, arrival, self.stored.get(arrival.event_id))
        if effects.outcome is not Outcome.DUPLICATE:
            self.stored[arrival.event_id] = arrival
        return effects

    def unlocks(self, arrival: Completion) -> list[str]:
        return [unlock.achievement.id for unlock in self.sees(arrival).unlocks]


@pytest.fixture
def ada() -> Learner:
    return Learner()


def at(hours: float) -> dt.datetime:
    return MIDNIGHT + dt.timedelta(hours=hours)


def counted(state: LearnerState) -> dict[Cell, int]:
    return {cell: sums.completions for cell, sums in state.totals.items() if sums.completions}


def test_every_outcome(ada: Learner) -> None:
    assert ada.sees(completion(1)).outcome is Outcome.APPLIED
    assert ada.sees(completion(1)).outcome is Outcome.DUPLICATE
    assert ada.sees(completion(1, revision=2)).outcome is Outcome.REVISED
    assert ada.sees(completion(1, revision=1)).outcome is Outcome.DUPLICATE
    assert ada.sees(completion(1, revision=3, revoked=True)).outcome is Outcome.REVOKED
    assert ada.sees(completion(1, revision=4)).outcome is Outcome.REVISED


def test_a_duplicate_touches_nothing(ada: Learner) -> None:
    ada.sees(completion(1))
    ada.state.dirty.changed = False
    assert ada.sees(completion(1, grade_hundredths=0)) == Effects(Outcome.DUPLICATE)
    assert not ada.state.dirty.changed
    assert ada.state.overall.grade_hundredths == 75_00


def test_a_revision_moves_the_share_to_its_new_topic_and_day(ada: Learner) -> None:
    ada.sees(completion(1))
    ada.sees(completion(1, revision=1, topic="databases", difficulty="hard", completed_at=at(36)))
    assert counted(ada.state) == {("databases", "hard"): 1}
    assert ada.state.totals[("algorithms", "medium")] == Totals()
    assert list(ada.state.active_days) == [dt.date(2026, 3, 29)]
    assert ada.state.overall.completions == 1


def test_a_day_stays_active_while_one_completion_of_it_counts(ada: Learner) -> None:
    ada.sees(completion(1))
    ada.sees(completion(2, topic="databases"))
    ada.sees(completion(1, revision=1, revoked=True))
    assert len(ada.state.active_days) == 1
    ada.sees(completion(2, revision=1, revoked=True))
    assert len(ada.state.active_days) == 0


def test_a_revocation_that_comes_first_keeps_the_completion_out(ada: Learner) -> None:
    assert ada.sees(completion(1, revision=1, revoked=True)).outcome is Outcome.REVOKED
    assert ada.sees(completion(1)).outcome is Outcome.DUPLICATE
    assert ada.state.overall == Totals()
    assert not ada.state.dirty.totals
    assert ada.state.dirty.changed


def test_unlocks_of_one_event_keep_the_catalogues_order(ada: Learner) -> None:
    assert ada.unlocks(completion(1)) == ["one"]
    assert ada.unlocks(completion(2, difficulty="hard", completed_at=at(36))) == [
        "two_days",
        "hard",
        "skilled",
    ]
    assert ada.unlocks(completion(3)) == ["three"]


def test_an_unlock_says_what_earned_it(ada: Learner) -> None:
    trigger = completion(1)
    (unlock,) = ada.sees(trigger).unlocks
    assert unlock.user_id == "ada"
    assert unlock.trigger is trigger
    assert unlock.progress == Progress("exercises_completed", 1, 1)
    assert unlock.rule_version == 5
    assert not unlock.backdated


def test_an_unlock_stays_and_is_not_repeated(ada: Learner) -> None:
    assert ada.unlocks(completion(1)) == ["one"]
    assert ada.unlocks(completion(1, revision=1, revoked=True)) == []
    assert ada.state.unlocked == {"one"}
    assert ada.unlocks(completion(1, revision=2)) == []


def test_taking_back_a_bad_grade_can_raise_a_level(ada: Learner) -> None:
    ada.sees(completion(1, grade_hundredths=60_00))
    ada.sees(completion(2, grade_hundredths=60_00))
    (fall,) = ada.sees(completion(3, grade_hundredths=0)).level_changes
    assert (fall.previous_level, fall.level) == ("intermediate", "beginner")
    (rise,) = ada.sees(completion(3, revision=1, revoked=True)).level_changes
    assert (rise.previous_level, rise.level) == ("beginner", "intermediate")
    assert (rise.triggering_revision, rise.completions, rise.average_grade) == (1, 2, 60.0)
    assert ada.state.level("algorithms") == ("intermediate", "beginner", at(12))


def test_a_move_between_topics_tells_of_both_levels(ada: Learner) -> None:
    ada.sees(completion(1))
    ada.sees(completion(2))
    ada.sees(completion(3, topic="databases"))
    changes = ada.sees(completion(2, revision=1, topic="databases")).level_changes
    assert [(change.topic, change.level) for change in changes] == [
        ("algorithms", "beginner"),
        ("databases", "intermediate"),
    ]


def zone_of(learner: Learner) -> str | None:
    return learner.state.zone[2] if learner.state.zone else None


def test_the_latest_completion_that_names_a_zone_decides(ada: Learner) -> None:
    ada.sees(completion(1, completed_at=at(10), timezone="Europe/Berlin"))
    ada.sees(completion(2, completed_at=at(8), timezone="Asia/Tokyo"))
    ada.sees(completion(3, completed_at=at(11)))
    assert zone_of(ada) == "Europe/Berlin"
    ada.sees(completion(4, completed_at=at(10), timezone="Asia/Kolkata"))
    assert zone_of(ada) == "Asia/Kolkata"  # the higher id wins if the instants are equal


def test_a_regrade_of_the_latest_completion_does_not_lose_the_zone(ada: Learner) -> None:
    ada.sees(completion(1, timezone="Europe/Berlin"))
    ada.sees(completion(1, revision=1, timezone="Europe/Berlin", grade_hundredths=0))
    ada.sees(completion(1, revision=2, timezone="Asia/Tokyo"))
    assert zone_of(ada) == "Asia/Tokyo"
    assert not ada.state.dirty.clock_lost


@pytest.mark.parametrize(
    "changes",
    [{"revoked": True}, {"timezone": None}, {"completed_at": at(1)}],
    ids=["revoked", "names none now", "earlier now"],
)
def test_the_zone_is_lost_when_its_completion_falls_back(
    ada: Learner, changes: dict[str, object]
) -> None:
    """Another one may be the latest now, and only storage knows it."""
    ada.sees(completion(1, completed_at=at(5), timezone="Asia/Tokyo"))
    ada.sees(completion(2, timezone="Europe/Berlin"))
    ada.sees(completion(2, **({"revision": 1, "timezone": "Europe/Berlin"} | changes)))
    assert ada.state.dirty.clock_lost


def test_a_filter_without_a_count_is_left_out_until_everything_is_counted(ada: Learner) -> None:
    """For example, a learner whom an older release saved last, with other filters."""
    ada.state.counters = BOOK.counters.known({"difficulty=easy": 4})
    assert ada.state.counters == {}
    assert "hard" not in ada.unlocks(completion(1, difficulty="hard"))
    assert ada.state.counters == {}


def test_another_rule_book_on_the_same_learner(ada: Learner) -> None:
    """Nothing that was compiled stays behind in the state."""
    other = read_rule_book(
        CATALOGUE.replace("version: 5", "version: 6").replace("at_least: 3", "at_least: 2")
        + "\n"
        + ENTRY.format("easy", "{exercises_completed: {at_least: 1, difficulty: easy}}")
    )
    ada.sees(completion(1))
    unlocks = apply(other, ada.state, completion(2), None).unlocks
    assert [unlock.achievement.id for unlock in unlocks] == ["three"]
    assert ada.unlocks(completion(3)) == ["skilled"]  # by the first book's thresholds


def test_no_two_filters_share_a_key() -> None:
    """A topic is free text: it may look like the rest of a key."""
    one = filter_of(ExercisesCompleted(at_least=1, topic="a,difficulty=hard"), 0)
    other = filter_of(ExercisesCompleted(at_least=1, topic="a", difficulty="hard"), 0)
    assert one is None  # the sums per topic answer
    assert other is not None
    same = filter_of(ExercisesCompleted(at_least=1, topic="a,max_hints=1", difficulty="hard"), 0)
    both = filter_of(ExercisesCompleted(at_least=1, topic="a", difficulty="hard", max_hints=1), 0)
    assert same is not None
    assert both is not None
    assert len({other.key, same.key, both.key}) == 3


@pytest.mark.parametrize(
    ("rule", "progress"),
    [
        ({"streak": {"days": 3}}, ("longest_streak_days", 1, 3, 33)),
        ({"exercises_completed": {"at_least": 3}}, ("exercises_completed", 2, 3, 66)),
        (
            {"all": [{"streak": {"days": 1}}, {"time_spent": {"seconds": 86_400}}]},
            ("parts_met", 1, 2, 50),
        ),
        (
            {"any": [{"streak": {"days": 4}}, {"distinct_topics": {"at_least": 2}}]},
            ("distinct_topics", 1, 2, 50),
        ),
        ({"exercises_completed": {"at_least": 1}}, ("exercises_completed", 2, 1, 100)),
        (
            {"skill_level": {"level": "expert", "topic": "algorithms"}},
            ("skill_level_rank[topic=algorithms]", 1, 3, 33),
        ),
    ],
)
def test_progress_towards_a_rule(
    ada: Learner, rule: dict[str, object], progress: tuple[str, int, int, int]
) -> None:
    ada.sees(completion(1))
    ada.sees(completion(2))
    condition = compile_rule(Rule.model_validate(rule), BOOK.streak_policy)
    found = condition.progress(ada.state)
    assert (*found[:3], found.percent) == progress
    assert condition.holds(ada.state) == (found.percent == 100)
