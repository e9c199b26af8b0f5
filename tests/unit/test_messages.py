"""Messages that are written by hand for speed equal those of the published models."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.rulebook import read_rule_book
from progress_worker.domain.rules import Progress
from progress_worker.events.identities import NAMESPACE, unlock_event_id
from progress_worker.events.models import AchievementTexts, AchievementUnlocked, Criteria, Measured
from progress_worker.outbox.messages import Messages
from progress_worker.settings.rules import load_rules
from progress_worker.settings.shared import SharedSettings
from progress_worker.settings.worker import load_settings

TOPICS = ("group", "unlocks", "levels", "letters", "streaks", "changes", "erased", "commands")
MESSAGES = Messages(*TOPICS)
BOOK = load_rules(SharedSettings()).book
TRIGGER = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=128
)
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
INSTANTS = st.datetimes(dt.datetime(2000, 1, 1), timezones=st.just(dt.UTC))


TREES = st.recursive(
    st.builds(Progress, TEXTS, st.integers(0), st.integers(1)),
    lambda parts: st.builds(
        Progress, TEXTS, st.integers(0), st.integers(1), st.lists(parts, max_size=3).map(tuple)
    ),
    max_leaves=5,
)


def measured(progress: Progress) -> Measured:
    return Measured(
        measure=progress.measure,
        value=progress.current,
        target=progress.target,
        parts=[measured(part) for part in progress.parts],
    )


@given(
    user_id=TEXTS,
    achievement=st.sampled_from(BOOK.achievements),
    time=INSTANTS,
    progress=TREES,
    backdated=st.booleans(),
    occurrence=st.sampled_from((1, 2, 202648)),
    generation=st.sampled_from((1, 2)),
)
def test_an_unlock_is_written_as_its_model(
    user_id: str,
    achievement: Achievement,
    time: dt.datetime,
    progress: Progress,
    *,
    backdated: bool,
    occurrence: int,
    generation: int,
) -> None:
    trigger = Completion(
        user_id, TRIGGER, 0, False, "e", "t", "easy", None, 1, 0, time, None, time.date()
    )
    unlock = Unlock(
        user_id,
        achievement,
        trigger,
        progress,
        BOOK.version,
        BOOK.digest,
        backdated,
        occurrence,
        generation,
    )
    name = f"{user_id}\0{unlock.achievement.id}"
    if (occurrence, generation) != (1, 1):
        name += f"\0{occurrence}\0{generation}"
    record = MESSAGES.unlocked(unlock, None)
    model = AchievementUnlocked(
        event_id=uuid5(NAMESPACE, name),
        user_id=user_id,
        achievement_id=unlock.achievement.id,
        **unlock.achievement.model_dump(
            include={"name", "description", "category", "tier", "points", "icon"}
        ),
        unlocked_at=time,
        triggering_event_id=TRIGGER,
        criteria=Criteria(
            measure=progress.measure,
            value=progress.current,
            target=progress.target,
            parts=[measured(part) for part in progress.parts],
        ),
        rule_version=BOOK.version,
        backdated=backdated,
        occurrence=occurrence,
        generation=generation,
        family=achievement.family,
        rules_digest=BOOK.digest,
    )
    assert record.value == model.model_dump_json().encode()
    headers = dict(record.headers)
    assert headers["ce_id"] == str(model.event_id).encode()
    assert headers["ce_time"] == model.model_dump(mode="json")["unlocked_at"].encode()


@pytest.mark.parametrize(
    ("translations", "expected"),
    [
        ("{}", {}),
        ("{de: {goal: Tu es}}", {}),
        ("{de: {name: 'Er\"ster'}}", {"de": ('Er"ster', "Done.")}),
        (
            "{pt-BR: {name: Primeiro}, de: {description: Da.}, pt: {description: Feito.}}",
            {"de": ("First", "Da."), "pt": ("First", "Feito."), "pt-BR": ("Primeiro", "Feito.")},
        ),
    ],
)
def test_an_unlock_carries_translations_if_that_is_set(
    translations: str, expected: dict[str, tuple[str, str]]
) -> None:
    book = read_rule_book(
        "version: 1\nachievements:\n- {id: first, name: First, description: Done., category: c, "
        "tier: gold, points: 1, icon: i, rule: {streak: {days: 1}}, "
        f"translations: {translations}}}"
    )
    (achievement,) = book.achievements
    trigger = Completion(
        "ada", TRIGGER, 0, False, "e", "t", "easy", None, 1, 0, NOW, None, NOW.date()
    )
    progress = Progress("m", 1, 1)
    unlock = Unlock("ada", achievement, trigger, progress, 1, book.digest, backdated=False)
    plain = MESSAGES.unlocked(unlock, None).value
    told = Messages(*TOPICS, unlock_translations=True).unlocked(unlock, None).value
    assert plain is not None
    assert told is not None
    assert b"translations" not in plain
    model = AchievementUnlocked.model_validate_json(told)
    assert told == model.model_dump_json().encode()
    assert model.translations == {
        language: AchievementTexts(name=name, description=description)
        for language, (name, description) in expected.items()
    }
    without = model.model_copy(update={"translations": {}})
    assert plain == without.model_dump_json().encode()


def test_translations_are_a_setting() -> None:
    needed = {"kafka_bootstrap": "kafka.test:9092", "database_url": "postgresql://a:b@c/d"}
    assert not Messages.of(load_settings(**needed)).unlock_translations
    assert Messages.of(load_settings(**needed, unlock_translations=True)).unlock_translations


@pytest.mark.parametrize("user_id", ["learner-17", "Zoë", "", "a\0b", "🦊" * 50])
def test_an_unlocks_id_is_the_published_one(user_id: str) -> None:
    assert unlock_event_id(user_id, "first_step") == str(uuid5(NAMESPACE, f"{user_id}\0first_step"))
