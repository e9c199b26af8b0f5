"""How rare a badge is, in the page's words."""

from __future__ import annotations

import html
import json
import re

import pytest

from tests.harness.storage import execute
from tests.http.stage import Stage

pytestmark = pytest.mark.integration


async def badges(stage: Stage, language: str) -> dict[str, str]:
    """The text of each badge by its name."""
    headers = {"Authorization": f"Bearer {stage.token()}", "Accept-Language": language}
    answer = await stage.client.get("/", headers=headers)
    assert answer.status_code == 200
    lines = re.findall(r'<li class="line">(.*?)</li>', answer.text, re.DOTALL)
    texts = [html.unescape(re.sub(r"<[^>]*>", " ", line)) for line in lines]
    return {" ".join(text.split()).partition(" ")[0]: " ".join(text.split()) for text in texts}


def store(stage: Stage, learners: int, **holders: int) -> None:
    execute(
        stage.database.owner_url,
        "INSERT INTO achievement_rarity VALUES ('counted', %s, %s)",
        learners,
        json.dumps(holders),
    )


@pytest.mark.parametrize(
    ("language", "held", "rare", "below", "nobody"),
    [
        (
            "en",
            "59% of learners have this",
            "Rare: 3% of learners",
            "Rare: under 1% of learners",
            "No learner has this yet",
        ),
        (
            "de",
            "59 % der Lernenden haben das",
            "Selten: 3 % der Lernenden",
            "Selten: unter 1 % der Lernenden",
            "Das hat noch niemand",
        ),
    ],
)
async def test_each_badge_says_how_rare_it_is(
    stage: Stage, language: str, held: str, rare: str, below: str, nobody: str
) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    store(stage, 1_000, first=599, three_days=39, hard_ones=9, wide=0)
    found = await badges(stage, language)
    assert found["First"].endswith(held)
    assert found["Three"].endswith(rare)
    assert found["Hard"].endswith(below)
    assert found["Wide"].endswith(nobody)


async def test_nothing_is_said_where_it_is_not_known(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    store(stage, 19, first=7, three_days=1)
    assert "learner" not in " ".join((await badges(stage, "en")).values()).lower()


async def test_an_earned_badge_is_not_said_to_be_nobodys(stage: Stage) -> None:
    """The learner earned it after the count."""
    await stage.complete("2026-11-23T10:00:00Z")
    store(stage, 30, first=0, wide=0)
    found = await badges(stage, "en")
    assert "learner" not in found["First"]
    assert "No learner has this yet" in found["Wide"]
