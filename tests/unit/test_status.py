"""The status of an achievement: what is judged, and how that changes with the next rule book."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError
from progress_worker.domain.suspicions import suspicions
from tests.folding import Store
from tests.histories import MIDNIGHT, completion

COUNT = "{exercises_completed: {at_least: 2}}"


def book_of(status: str, rule: str = COUNT, version: int = 1, more: str = "") -> RuleBook:
    return read_rule_book(
        f"version: {version}\nachievements:\n- {{id: a, name: N, description: D, goal: G, "
        f"category: c, icon: i, tier: gold, points: 1, status: {status}, rule: {rule}}}\n{more}"
    )


def unlocked(store: Store) -> list[str]:
    return [unlock.achievement.id for unlock in store.learners["ada"].unlocks]


@pytest.mark.parametrize("status", ["paused", "closed", "withdrawn"])
def test_what_is_active_again_catches_up(status: str) -> None:
    store = Store(book_of(status))
    store.apply([completion(1), completion(2)])
    assert unlocked(store) == []
    store.activate(book_of("active", version=2))
    store.move("ada")
    assert unlocked(store) == ["a"]
    (unlock,) = store.learners["ada"].unlocks
    assert unlock.backdated
    assert unlock.trigger == completion(2)


@pytest.mark.parametrize("status", ["paused", "closed", "withdrawn"])
def test_who_has_it_does_not_get_it_twice(status: str) -> None:
    store = Store(book_of("active"))
    store.apply([completion(1), completion(2)])
    for version, each in ((2, status), (3, "active")):
        store.activate(book_of(each, version=version))
        store.move("ada")
        store.apply([completion(version + 1)])
    assert unlocked(store) == ["a"]


def test_what_is_retired_counts_the_days_until_then_whenever_they_arrive() -> None:
    last, late = (
        completion(n, completed_at=MIDNIGHT + dt.timedelta(days=n, hours=9)) for n in (0, 1)
    )
    store = Store(book_of("{retired: {after: 2026-03-28}}"))
    store.apply([last, late])
    assert unlocked(store) == []
    store.apply([last._replace(event_id=completion(7).event_id)])
    assert unlocked(store) == ["a"]


@pytest.mark.parametrize(
    ("rule", "until"),
    [
        ("{time_spent: {seconds: 1, from: 2026-12-24}}", ["2026-12-24"]),
        ("{time_spent: {seconds: 1, until: 2026-12-01}}", ["2026-12-01"]),
        (f"{{all: [{COUNT}, {{any: [{{time_spent: {{seconds: 9}}}}]}}]}}", ["2026-12-24"] * 2),
    ],
)
def test_retired_means_an_until(rule: str, until: list[str]) -> None:
    (achievement,) = book_of("{retired: {after: 2026-12-24}}", rule).achievements
    said = repr(achievement.rule.model_dump(mode="json", exclude_none=True))
    assert said.count("until") == len(until)
    assert all(day in said for day in until)


@pytest.mark.parametrize(
    ("status", "rule", "sentence"),
    [
        ("gone", COUNT, ".status (a): write active, paused, closed, withdrawn or {retired: {after"),
        ("retired", COUNT, ".status (a): write active, paused, closed, withdrawn or {retired"),
        ("[active]", COUNT, ".status (a): write active, paused, closed, withdrawn or {retired"),
        ("{retired: 2026-12-24}", COUNT, ".status.retired (a): Input should be a valid dictionary"),
        ("{retired: {after: soon}}", COUNT, "status.retired.after (a): Input should be a valid"),
        ("{retired: {}}", COUNT, "status.retired.after (a): Field required"),
        ("{closed: true}", COUNT, "status.retired (a): Field required"),
        (
            "{retired: {after: 2026-12-24}}",
            "{streak: {days: 3}}",
            "0 (a): only rules that take `until` can be retired: its `status` can be `closed`",
        ),
        (
            "{retired: {after: 2026-12-24}}",
            f"{{any: [{COUNT}, {{active_days: {{at_least: 3}}}}]}}",
            "0 (a): only rules that take `until` can be retired",
        ),
        (
            "{retired: {after: 2026-12-24}}",
            "{time_spent: {seconds: 1, from: 2026-12-25}}",
            "0 (a): it is retired after 2026-12-24, and `from` lies after that day",
        ),
    ],
)
def test_a_wrong_status_is_refused(status: str, rule: str, sentence: str) -> None:
    with pytest.raises(RuleBookError) as caught:
        book_of(status, rule)
    assert sentence in caught.value.sentences[0]


def test_what_requires_something_closed_is_named() -> None:
    more = (
        "- {id: b, name: B, description: D, goal: G, category: c, icon: i, tier: gold, points: 1, "
        "requires: [a], rule: {streak: {days: 2}}}"
    )
    assert list(suspicions(book_of("closed", more=more))) == [
        "b requires a, which is closed: only who has that can get it."
    ]


def test_a_status_needs_a_newer_release() -> None:
    assert book_of("active").content.format == 4
