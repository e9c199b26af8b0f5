"""The rules for Prometheus: every alert fires when it should, and only then."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from progress_worker.http.metrics import ViewMetrics
from progress_worker.telemetry.metrics import Metrics
from tests.deploy.dashboards import queries

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules.yml"
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
OPERATIONS = ROOT / "docs" / "operations.md"
SECONDS = 120.0


def _rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in _rules() if "alert" in rule}


def test_rules_are_valid() -> None:
    done = _promtool("check", "rules", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(tests: Path) -> None:
    done = _promtool("test", "rules", tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_firing_and_not_firing() -> None:
    seen: dict[str, set[bool]] = defaultdict(set)
    for path in TESTS:
        for case in yaml.safe_load(path.read_text())["tests"]:
            for check in case["promql_expr_test"]:
                alert = re.search(r'alertname="(\w+)"', check["expr"])
                assert alert is not None, check
                seen[alert[1]].add(bool(check["exp_samples"]))
    assert seen == {alert: {True, False} for alert in ALERTS}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_means_and_where_to_look(name: str) -> None:
    alert = ALERTS[name]
    notes = alert["annotations"]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert notes["summary"].endswith(".")
    assert notes["description"].endswith(".")
    base, _, anchor = notes["runbook_url"].partition("#")
    assert base == '{{ or $externalLabels.runbooks "docs/operations.md" }}'
    assert anchor in _anchors(), f"{OPERATIONS.name} has no section {anchor}"


@pytest.mark.parametrize("base", ["https://wiki.test/operations", None])
def test_an_alert_leads_to_the_runbook_where_the_setting_says(
    tmp_path: Path, base: str | None
) -> None:
    """The alert that no worker reads anything fires without any series."""
    url = f"{base or 'docs/operations.md'}#progressnoworker"
    annotations = ALERTS["ProgressNoWorker"]["annotations"] | {"runbook_url": url}
    tests = tmp_path / "runbook.yml"
    tests.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "1m",
                "tests": [
                    {
                        "external_labels": {"runbooks": base} if base else {},
                        "input_series": [{"series": "nothing", "values": "0x9"}],
                        "alert_rule_test": [
                            {
                                "alertname": "ProgressNoWorker",
                                "eval_time": "5m",
                                "exp_alerts": [
                                    {
                                        "exp_labels": {"severity": "critical"},
                                        "exp_annotations": annotations,
                                    }
                                ],
                            }
                        ],
                    }
                ],
            }
        )
    )
    done = _promtool("test", "rules", tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_runbook_section_outlives_its_alert() -> None:
    assert {anchor for anchor in _anchors() if re.match(r"progress[a-z]+$", anchor)} == {
        name.lower() for name in ALERTS
    }


def test_only_declared_metrics_are_asked_for() -> None:
    known = {
        family.name
        for metrics in (Metrics(), ViewMetrics())
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
    }
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    expressions = [*(rule["expr"] for rule in _rules()), *(q.expression for q in queries())]
    for expression in expressions:
        for name in re.findall(r"\bprogress_\w+", expression):
            assert re.sub(r"_(total|bucket|count|sum)$", "", name) in known, name
        for name in re.findall(r"\bprogress:[\w:]+", expression):
            assert name in recorded, name


def _anchors() -> set[str]:
    headings = re.findall(r"^#+ (.+)$", OPERATIONS.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian's package is called prometheus)")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
    )
