"""The Helm chart, rendered by Helm without a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

CHART: Final = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "progress-worker"
KUBERNETES: Final = kubernetes_validate.latest_version()
_SECONDS: Final = 60.0

Manifest = dict[str, Any]
Manifests = dict[tuple[str, str], Manifest]


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm. Skips the test where it is not installed."""
    program = shutil.which("helm")
    if program is None:
        pytest.skip("helm is not installed (.ci/install-helm FOLDER gets it)")
    return subprocess.run(
        [program, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def template(chart: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """Render the chart as a release `progress` in the namespace `learning`."""
    arguments = ("--namespace", "learning", "--kube-version", KUBERNETES, *options)
    return helm("template", "progress", chart, *arguments)


def render(*options: str | Path, chart: Path = CHART) -> Manifests:
    """The objects that the chart makes of these values, by kind and name."""
    done = template(chart, *options)
    assert done.returncode == 0, done.stderr
    found = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    named = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in found}
    assert len(named) == len(found), "a name is used twice"
    return named


def pod(workload: Manifest) -> Manifest:
    """The pod that a workload makes."""
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> Manifest:
    """The one container of its pod."""
    (only,) = pod(workload)["containers"]
    found: Manifest = only
    return found


def environment(workload: Manifest) -> dict[str, str | Manifest]:
    """Its variables: the value, or which key of which Secret has it."""
    listed = container(workload).get("env") or []
    variables = {
        entry["name"]: entry["value"] if "value" in entry else entry["valueFrom"]["secretKeyRef"]
        for entry in listed
    }
    assert len(variables) == len(listed), "a variable is set twice"
    return variables
