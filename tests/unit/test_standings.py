"""What the view lists of a rule book: hidden achievements, and those that are not judged."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.domain.reducer import apply
from progress_worker.domain.rulebook import read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError
from progress_worker.domain.state import LearnerState
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.suspicions import suspicions
from progress_worker.domain.totals import Totals
from progress_worker.http.api.presentation import Presenter
from progress_worker.http.api.presentation_over_time import present_history
from progress_worker.http.api.responses import AchievementCounts, RuleProgress
from progress_worker.http.api.windows import Range
from progress_worker.storage.read.views import Held, HistoryView, LearnerView, Stamp
from tests.histories import completion

NOW = dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC)
ENTRY = (
    "- {{id: {}, name: N, description: D, goal: G, category: c, icon: i, tier: gold, points: {}, "
    "rule: {{exercises_completed: {{at_least: {}}}}}, {}}}\n"
)


class Viewed:
    """A learner with so many completions, as the view shows it."""

    def __init__(self, completions: int, *entries: tuple[str, int, int, str]) -> None:
        self.book = read_rule_book(
            "version: 1\nachievements:\n" + "".join(ENTRY.format(*entry) for entry in entries)
        )
        state = self.book.new_learner("ada")
        for number in range(completions):
            apply(self.book, state, completion(number), None)
        self.show(state)

    def show(self, state: LearnerState) -> None:
        """Answer about this learner."""
        self.learner = LearnerView(
            Stamp(self.book), state, dict.fromkeys(state.unlocked, Held(NOW, NOW))
        )
        self.presenter = Presenter(self.book, "en")
        self.answer = self.presenter.achievements(self.learner)
        self.badges = self.presenter.badges(self.learner)

    def listed(self) -> list[str]:
        """The ids, which all answers agree on."""
        ids = [found.id for found in self.answer.achievements]
        badges = [badge.id for badge in [*self.badges.earned, *self.badges.available]]
        assert sorted(badges) == sorted(ids)
        assert [found.achievement.id for found in self.presenter.standings(self.learner)] == ids
        return ids

    def counts(self) -> AchievementCounts:
        summary = self.presenter.progress(self.learner, NOW).achievements
        for name in AchievementCounts.__struct_fields__:
            assert getattr(summary, name) == getattr(self.answer.totals, name)
        return self.answer.totals


SECRET = (("open", 1, 3, ""), ("secret", 10, 2, "hidden: true"), ("other", 100, 9, "hidden: true"))


def test_what_is_hidden_counts_and_is_not_listed() -> None:
    viewed = Viewed(1, *SECRET)
    assert viewed.listed() == ["open"]
    assert viewed.counts() == AchievementCounts(unlocked=0, available=3, hidden=2, points=0)
    assert (viewed.badges.points_available, viewed.badges.hidden) == (111, 2)


def test_what_is_hidden_is_listed_once_it_is_unlocked() -> None:
    viewed = Viewed(2, *SECRET)
    assert viewed.listed() == ["open", "secret"]
    assert viewed.answer.achievements[1].unlocked
    assert viewed.counts() == AchievementCounts(unlocked=1, available=3, hidden=1, points=10)
    recent = viewed.presenter.progress(viewed.learner, NOW).achievements.recent
    assert [found.id for found in recent] == ["secret"]
    assert (viewed.badges.points_earned, viewed.badges.points_available) == (10, 101)


def test_hidden_progress_is_shown_once_it_is_complete() -> None:
    begun, done = (Viewed(count, ("a", 1, 4, "hidden: progress")) for count in (3, 4))
    for viewed in (begun, done):
        assert viewed.listed() == ["a"]
        assert viewed.counts().hidden == 0
    (masked,), (shown,) = begun.answer.achievements, done.answer.achievements
    assert (masked.progress, masked.progress_hidden) == (
        RuleProgress(current=0, target=1, percent=0),
        True,
    )
    assert (shown.progress, shown.progress_hidden) == (
        RuleProgress(current=4, target=4, percent=100),
        False,
    )
    assert (begun.badges.available[0].status, begun.badges.available[0].percent) == ("locked", 0)


def test_what_is_not_judged_is_not_unlocked() -> None:
    statuses = ("active", "paused", "closed", "withdrawn", "{retired: {after: 2026-03-28}}")
    viewed = Viewed(3, *((f"a{n}", 1, 2, f"status: {each}") for n, each in enumerate(statuses)))
    assert sorted(viewed.learner.state.unlocked) == ["a0", "a4"]
    assert viewed.listed() == ["a0", "a1", "a4"]
    assert viewed.counts() == AchievementCounts(unlocked=2, available=3, hidden=0, points=2)
    assert viewed.badges.points_available == 1
    assert viewed.answer.achievements[1].progress.current == 3


@pytest.mark.parametrize(
    ("status", "listed"),
    [
        ("paused", True),
        ("closed", True),
        ("{retired: {after: 2000-01-01}}", True),
        ("withdrawn", False),
    ],
)
def test_who_has_it_keeps_it(status: str, listed: bool) -> None:
    before = Viewed(2, ("a", 5, 2, ""), ("b", 1, 1, ""))
    after = Viewed(0, ("a", 5, 2, f"status: {status}"), ("b", 1, 1, ""))
    after.show(before.learner.state)
    assert after.listed() == (["a", "b"] if listed else ["b"])
    assert after.counts().points == (6 if listed else 1)
    assert after.counts().available == (2 if listed else 1)


def test_history_counts_nothing_that_is_withdrawn() -> None:
    book = Viewed(0, ("a", 1, 1, "status: withdrawn"), ("b", 1, 1, "status: closed")).book
    days = [(name, NOW.date()) for name in ("a", "b")]
    view = HistoryView(Stamp(book), Streaks(), Totals(), {}, days)
    answer = present_history(view, "ada", Range(start=NOW.date(), end=NOW.date()), NOW)
    assert [day.achievements_unlocked for day in answer.days] == [1]


def test_hidden_is_yes_no_or_the_progress() -> None:
    with pytest.raises(RuleBookError) as caught:
        Viewed(0, ("a", 1, 1, "hidden: everything"))
    (sentence,) = caught.value.sentences
    assert "achievements.0.hidden (a): Input should be False, True or 'progress'" in sentence


def test_what_is_hidden_needs_a_newer_release_and_no_goal() -> None:
    viewed = Viewed(0, ("a", 1, 1, "hidden: true"))
    assert viewed.book.content.format == 4
    silent = read_rule_book(
        "version: 1\nachievements:\n" + ENTRY.replace("goal: G, ", "").format(*SECRET[1])
    )
    assert list(suspicions(silent)) == []
