"""The Kubernetes manifests: valid, hardened, and consistent with settings and rules."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from progress_worker.doctor.configuration import KINDS, Command, variables
from progress_worker.settings.worker import Settings

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
NAME = "app.kubernetes.io/name"
SECONDS = 60.0

Manifest = dict[str, Any]


def _read(folder: str) -> Iterator[Manifest]:
    listed = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())["resources"]
    files = {path.name for path in (KUBERNETES / folder).glob("*.yaml")}
    assert files == {"kustomization.yaml", *listed}, "every file is listed"
    for name in listed:
        yield from yaml.safe_load_all((KUBERNETES / folder / name).read_text())


BASE = {(found["kind"], found["metadata"]["name"]): found for found in _read("base")}
WORKLOADS = [found for (kind, _), found in BASE.items() if kind in {"Deployment", "Job"}]
COMMANDS = {
    "progress-worker": Command.WORKER,
    "progress-api": Command.API,
    "progress-migrate": Command.MIGRATE,
}


def _pod(workload: Manifest) -> Manifest:
    pod: Manifest = workload["spec"]["template"]["spec"]
    return pod


def _name(found: Manifest) -> str:
    return f"{found['kind']} {found['metadata']['name']}"


@pytest.mark.parametrize("manifest", BASE.values(), ids=_name)
def test_a_manifest_is_valid(manifest: Manifest) -> None:
    version = kubernetes_validate.latest_version()
    assert kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("workload", WORKLOADS, ids=_name)
def test_a_process_has_no_more_rights_than_it_needs(workload: Manifest) -> None:
    pod = _pod(workload)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    user = f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert user in (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("workload", WORKLOADS, ids=_name)
def test_a_process_is_given_settings_that_it_reads(workload: Manifest) -> None:
    name = workload["metadata"]["name"]
    (container,) = _pod(workload)["containers"]
    assert container["args"] == [COMMANDS[name].value]
    maps = [
        source["configMapRef"]["name"]
        for source in container["envFrom"]
        if "configMapRef" in source
    ]
    given = {key for found in maps for key in BASE["ConfigMap", found]["data"]}
    given |= {variable["name"] for variable in container.get("env", [])}
    assert given <= {variable.name for variable in variables(KINDS[COMMANDS[name]])}


@pytest.mark.parametrize("workload", WORKLOADS, ids=_name)
def test_everything_that_selects_pods_finds_them(workload: Manifest) -> None:
    name = workload["metadata"]["name"]
    assert workload["spec"]["template"]["metadata"]["labels"][NAME] == name
    policy = BASE["NetworkPolicy", name]["spec"]
    assert policy["podSelector"]["matchLabels"] == {NAME: name}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    if workload["kind"] != "Deployment":
        return
    assert workload["spec"]["selector"]["matchLabels"] == {NAME: name}
    assert BASE["PodDisruptionBudget", name]["spec"]["selector"]["matchLabels"] == {NAME: name}
    service = BASE["Service", name]["spec"]
    assert service["selector"] == {NAME: name}
    (container,) = _pod(workload)["containers"]
    (port,) = container["ports"]
    assert [offered["targetPort"] for offered in service["ports"]] == [port["name"]]
    assert policy["ingress"] == [{"ports": [{"port": port["name"]}]}]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == port["name"]


def test_ports_are_the_ones_that_the_processes_listen_on() -> None:
    for name, field in (("progress-worker", "web_port"), ("progress-api", "view_port")):
        (container,) = _pod(BASE["Deployment", name])["containers"]
        fields = KINDS[COMMANDS[name]].model_fields
        assert container["ports"][0]["containerPort"] == fields[field].default


def test_a_worker_may_finish_its_batch() -> None:
    grace = _pod(BASE["Deployment", "progress-worker"])["terminationGracePeriodSeconds"]
    # Its partition consumers, the group and the producer each have their limit.
    assert grace > 2 * Settings.model_fields["drain_timeout_seconds"].default + 10


def test_workers_scale_by_lag_up_to_the_partitions() -> None:
    (scaled,) = _read("keda")
    spec = scaled["spec"]
    fields = Settings.model_fields
    assert ("Deployment", spec["scaleTargetRef"]["name"]) in BASE
    assert "replicas" not in BASE["Deployment", "progress-worker"]["spec"]
    assert spec["maxReplicaCount"] == fields["topic_partitions"].default
    (trigger,) = spec["triggers"]
    assert trigger["metadata"]["topic"] == fields["completed_topic"].default
    assert trigger["metadata"]["consumerGroup"] == fields["consumer_group"].default
    kafka = BASE["ConfigMap", "progress-kafka"]["data"]["PROGRESS_KAFKA_BOOTSTRAP"]
    assert trigger["metadata"]["bootstrapServers"] == kafka


def test_prometheus_finds_the_jobs_that_the_rules_count_on() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"] for job in scraped["scrape_configs"]}
    monitors = list(_read("monitoring"))
    assert {monitor["spec"]["selector"]["matchLabels"][NAME] for monitor in monitors} == jobs
    for monitor in monitors:
        service = BASE["Service", monitor["spec"]["selector"]["matchLabels"][NAME]]
        assert (
            service["metadata"]["labels"].items()
            >= monitor["spec"]["selector"]["matchLabels"].items()
        )
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def test_the_example_renders() -> None:
    built = _kustomize(KUBERNETES / "example")
    rendered = [found for found in yaml.safe_load_all(built) if found]
    assert {(found["kind"], found["metadata"]["name"]) for found in rendered} > set(BASE)
    assert {found["metadata"]["namespace"] for found in rendered} == {"progress"}
    for found in rendered:
        if found["kind"] in {"Deployment", "Job"}:
            (container,) = _pod(found)["containers"]
            assert container["image"].startswith("registry.example/progress-worker:")
        if "monitoring" not in found["apiVersion"] and "keda" not in found["apiVersion"]:
            version = kubernetes_validate.latest_version()
            kubernetes_validate.validate(found, version, strict=True)


def _kustomize(overlay: Path) -> str:
    for program, command in (("kustomize", "build"), ("kubectl", "kustomize")):
        if path := shutil.which(program):
            done = subprocess.run(
                [path, command, overlay],
                env={"PATH": os.environ["PATH"]},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout
    pytest.skip("neither kustomize nor kubectl is installed")
