"""Any order and any repeats of preferences and completions end in one state, in real tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from progress_worker.embedded.database import Database
from tests.harness.events import preferences
from tests.harness.storage import fetch
from tests.http.saving import Saving, saving

pytestmark = pytest.mark.integration

LEARNERS = count()
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "gamification": st.sampled_from(["on", "quiet", "off"]),
        "boards": st.sampled_from(["anonymous", "hidden", "named"]),
        "display_name": st.sampled_from(["Ada", "Bob"]),
        "goal": st.sampled_from([{"measure": "minutes", "target": 5}, None]),
    },
)


@pytest.fixture
def worker(migrated_database: Database, tmp_path: Path) -> Iterator[Saving]:
    with saving(migrated_database, tmp_path) as opened:
        yield opened


@given(
    st.dictionaries(st.integers(0, 4), CHOICES, min_size=1, max_size=4),
    st.lists(st.integers(1, 3), max_size=2),
    st.randoms(use_true_random=False),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_highest_revision_counts_whatever_comes_when(
    worker: Saving, said: dict[int, dict[str, Any]], days: list[int], random: Any
) -> None:
    user = f"learner-{next(LEARNERS)}"
    facts: list[Any] = [(revision, said[revision]) for revision in said] + days
    facts += random.choices(facts, k=3)
    random.shuffle(facts)
    for fact in facts:
        if isinstance(fact, int):
            worker.complete(user, day=fact, event_id=f"0f8fad5b-d9cb-469f-a165-7086772895{fact:02}")
        else:
            worker.command(preferences(user, fact[0], **fact[1]))
    last = max(said)
    goal = said[last].get("goal")
    found = fetch(
        worker.database.owner_url,
        "SELECT revision, boards, display_name, p.gamification, goal_measure,"
        " coalesce(l.gamification, 'on'), (SELECT count(*) FROM completion AS c"
        " WHERE c.user_id = l.user_id) FROM learner AS l JOIN learner_preference AS p"
        " USING (user_id) WHERE user_id = %s",
        user,
    )
    assert found == [
        (
            last,
            said[last].get("boards", "anonymous"),
            said[last].get("display_name"),
            said[last].get("gamification", "on"),
            goal and goal["measure"],
            said[last].get("gamification", "on"),
            len(set(days)),
        )
    ]
