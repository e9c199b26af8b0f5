"""The dashboards are what Grafana and the alerts expect of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.deploy.dashboards import DASHBOARDS, GRAFANA, ROOT, dashboard

PROVISIONING = GRAFANA / "provisioning"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_provisioned(path: Path) -> None:
    board = dashboard(path)
    assert board["uid"] == f"progress-{path.stem}"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard(path)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_alerts_and_links_lead_to_dashboards() -> None:
    known = {f"/d/progress-{path.stem}" for path in DASHBOARDS}
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    named = {
        rule["annotations"]["dashboard"]
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    linked = {link["url"] for path in DASHBOARDS for link in dashboard(path)["links"]}
    assert named <= known
    assert linked == known


def test_the_data_source_is_the_one_that_the_dashboards_name() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    for path in DASHBOARDS:
        (variable,) = dashboard(path)["templating"]["list"]
        assert variable["query"] == source["type"]
        assert variable["current"]["value"] == source["uid"]


def test_compose_mounts_what_grafana_reads() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"])
    targets = {target: ROOT / source for source, target in mounts.items()}
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "progress.yml").read_text())[
        "providers"
    ]
    assert sorted(targets[provider["options"]["path"]].glob("*.json")) == DASHBOARDS
    assert targets["/etc/grafana/provisioning"] == PROVISIONING
    home = Path(
        compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    )
    assert (targets[str(home.parent)] / home.name).is_file()
