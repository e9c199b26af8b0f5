"""The reference pages say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from progress_worker.doctor.configuration import KINDS, variables
from progress_worker.domain.achievements import TieredAchievement
from progress_worker.domain.rule_kinds import ExercisesCompleted, Rule, TimeSpent
from progress_worker.domain.rulebook_file import RuleBookFile
from progress_worker.published.reference import metrics_page, settings_page
from progress_worker.published.rulebook_reference import rulebook_page

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("settings.md", settings_page()),
        ("metrics.md", metrics_page()),
        ("rule-book-reference.md", rulebook_page()),
    ],
)
def test_page_is_up_to_date(name: str, page: str) -> None:
    assert (DOCS / name).read_text("utf-8") == page, "run `progress-worker reference`"


def test_every_key_of_the_rule_book_has_a_row() -> None:
    page = rulebook_page()
    for model in (RuleBookFile, TieredAchievement, Rule, ExercisesCompleted, TimeSpent):
        for name, field in model.model_fields.items():
            assert f"\n| `{field.alias or name}` | " in page, (model, name)
    assert "\n| `on` | text, as in `12-24` | – | 4 |\n" in page
    assert "\n| `min_grade` | number, 0 to 100 | – | 1; `time_spent`: 4 |\n" in page


def test_every_variable_is_explained() -> None:
    rows = {line.split("`")[1]: line for line in settings_page().splitlines() if "`PROG" in line}
    for kind in KINDS.values():
        for variable in variables(kind):
            _, _, meaning, default, _ = rows[variable.name].replace("\\|", "").split("|")
            assert meaning.strip()
            assert default.strip()


def test_every_metric_is_explained() -> None:
    rows = [line for line in metrics_page().splitlines() if line.startswith("| `progress_")]
    assert len(rows) > 20
    assert all(row.split("|")[4].strip().endswith(".") for row in rows)
