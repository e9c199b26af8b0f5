"""The Helm chart: valid objects, hardened, and consistent with settings and rules."""

from __future__ import annotations

import json
import re
import shlex
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel

from deploy.helm.values_schema import SCHEMA, values_schema
from progress_worker import __version__
from progress_worker.settings.kafka import load_kafka_settings
from progress_worker.settings.migration import load_migration_settings
from progress_worker.settings.view import ViewSettings, load_view_settings
from progress_worker.settings.worker import Settings, load_settings
from tests.deploy.charts import (
    CHART,
    KUBERNETES,
    Manifest,
    Manifests,
    container,
    environment,
    helm,
    pod,
    render,
    template,
)
from tests.deploy.dashboards import DASHBOARDS
from tests.harness.runbook import command, commands, sections

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = Path(__file__).with_name("everything.yaml")
#: Of KEDA and the Prometheus operator. The schemas of Kubernetes do not know them.
OTHERS = {"ScaledObject", "PodMonitor", "PrometheusRule"}
LOAD: dict[str, Callable[[], BaseModel]] = {
    "worker": load_settings,
    "api": load_view_settings,
    "migrate": load_migration_settings,
    "topics": load_kafka_settings,
}
#: For variables whose values are in Secrets.
HIDDEN = {"PASSWORD": "p" * 8, "USERNAME": "u", "URL": "postgresql://u@h/d", "SECRET": "s" * 32}


@cache
def default() -> Manifests:
    """Rendered with no value set."""
    return render()


@cache
def everything() -> Manifests:
    """Rendered with everything turned on."""
    return render("--values", EVERYTHING)


VARIANTS = pytest.mark.parametrize("rendered", [default, everything])


def workloads(rendered: Manifests) -> dict[str, Manifest]:
    """The Deployments and Jobs by their process."""
    found = {name: m for (kind, name), m in rendered.items() if kind in {"Deployment", "Job"}}
    return {name.removeprefix("progress-"): manifest for name, manifest in found.items()}


def selected(component: str) -> dict[str, str]:
    """The labels that name the pods of a process."""
    return {
        "app.kubernetes.io/name": f"progress-{component}",
        "app.kubernetes.io/instance": "progress",
    }


def test_helm_finds_nothing_wrong() -> None:
    for values in ((), ("--values", EVERYTHING)):
        done = helm("lint", "--strict", "--kube-version", KUBERNETES, CHART, *values)
        assert done.returncode == 0, done.stdout + done.stderr


@VARIANTS
def test_every_object_is_valid(rendered: Callable[[], Manifests]) -> None:
    for (kind, _), manifest in rendered().items():
        if kind not in OTHERS:
            assert kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_everything_is_there() -> None:
    assert set(workloads(default())) == {"worker", "api", "migrate"}
    assert set(workloads(everything())) == {"worker", "api", "migrate", "topics"}
    kinds = {kind for kind, _ in everything()}
    assert kinds >= OTHERS | {"Ingress", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    assert not {kind for kind, _ in default()} & (OTHERS | {"Ingress", "ConfigMap"})


@VARIANTS
def test_a_process_has_no_more_rights_than_it_needs(rendered: Callable[[], Manifests]) -> None:
    for workload in workloads(rendered()).values():
        rights, process = pod(workload), container(workload)
        assert rights["automountServiceAccountToken"] is False
        assert rights["securityContext"]["runAsNonRoot"] is True
        assert rights["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        user = "USER {runAsUser}:{runAsGroup}".format(**rights["securityContext"])
        assert user in (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
        assert process["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = [m["mountPath"] for m in process["volumeMounts"] if not m.get("readOnly")]
        assert writable == ["/tmp"]
        assert process["resources"]["limits"]["memory"]
        assert process["resources"]["requests"].keys() == {"cpu", "memory"}


@VARIANTS
@pytest.mark.parametrize("component", LOAD)
def test_a_process_takes_the_settings_that_it_is_given(
    rendered: Callable[[], Manifests], component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = workloads(rendered()).get(component)
    if workload is None:
        assert component == "topics"
        return
    assert container(workload)["args"] == {"topics": ["topics", "create"]}.get(
        component, [component]
    )
    for name, value in environment(workload).items():
        hidden = HIDDEN[name.rpartition("_")[2]] if isinstance(value, dict) else value
        monkeypatch.setenv(name, str(hidden))
    LOAD[component]()


def test_values_reach_the_process_as_they_were_written() -> None:
    given = environment(workloads(everything())["worker"])
    assert given["PROGRESS_CACHED_LEARNERS"] == "5000000"
    assert given["PROGRESS_EMIT_LEVEL_CHANGES"] == "true"
    assert float(str(given["PROGRESS_OUTBOX_POLL_SECONDS"])) == 0.00001
    assert given["PROGRESS_KAFKA_SASL_PASSWORD"] == {"name": "kafka-user", "key": "password"}
    assert given["PROGRESS_DATABASE_URL"] == {
        "name": "progress-worker",
        "key": "PROGRESS_DATABASE_URL",
    }
    topics = environment(workloads(everything())["topics"])
    assert topics["PROGRESS_COMPLETED_TOPIC"] == given["PROGRESS_COMPLETED_TOPIC"]
    assert topics["PROGRESS_KAFKA_SASL_PASSWORD"] == {"name": "kafka-admin", "key": "password"}
    assert "PROGRESS_DATABASE_URL" not in topics


@VARIANTS
def test_everything_that_selects_pods_finds_them(rendered: Callable[[], Manifests]) -> None:
    found = rendered()
    for component, workload in workloads(found).items():
        name, labels = f"progress-{component}", selected(component)
        made = workload["spec"]["template"]["metadata"]["labels"]
        assert made.items() >= labels.items()
        policy = found["NetworkPolicy", name]["spec"]
        assert policy["podSelector"]["matchLabels"] == labels
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        if workload["kind"] == "Job":
            assert policy["ingress"] == []
            continue
        assert workload["spec"]["selector"]["matchLabels"] == labels
        disruption = found["PodDisruptionBudget", name]["spec"]
        assert disruption["selector"]["matchLabels"] == labels
        (spread,) = pod(workload)["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"] == labels
        process = container(workload)
        ports = [port["name"] for port in process["ports"]]
        (asked,) = policy["ingress"]
        assert [port["port"] for port in asked["ports"]] == ports
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert process[probe]["httpGet"]["port"] == ports[0]
    service = found["Service", "progress-api"]["spec"]
    assert service["selector"] == selected("api")
    assert [port["targetPort"] for port in service["ports"]] == ["http"]


def test_ports_are_the_ones_that_the_processes_listen_on() -> None:
    defaults = {
        "worker": Settings.model_fields["web_port"].default,
        "api": ViewSettings.model_fields["view_port"].default,
    }
    for component, listening in defaults.items():
        (port,) = container(workloads(default())[component])["ports"]
        assert port["containerPort"] == listening
    (web,) = container(workloads(everything())["worker"])["ports"]
    assert web["containerPort"] == 7000
    http, metrics = container(workloads(everything())["api"])["ports"]
    assert (http["containerPort"], metrics["containerPort"]) == (8081, 9100)


def test_a_worker_may_finish_its_batch() -> None:
    # Its partition consumers, the group and the producer each have their limit.
    drain = Settings.model_fields["drain_timeout_seconds"].default
    for rendered, seconds in ((default(), drain), (everything(), 20.5)):
        grace = pod(workloads(rendered)["worker"])["terminationGracePeriodSeconds"]
        assert grace > 2 * seconds + 10


def test_a_migration_comes_before_the_workers() -> None:
    ranks = {}
    for (kind, name), manifest in everything().items():
        notes = manifest["metadata"].get("annotations", {})
        if "helm.sh/hook" in notes:
            assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
            assert "before-hook-creation" in notes["helm.sh/hook-delete-policy"]
            ranks[kind, name] = int(notes["helm.sh/hook-weight"])
    jobs = {name for kind, name in ranks if kind == "Job"}
    assert jobs == {"progress-migrate", "progress-topics"}
    for name in jobs:
        assert ranks["NetworkPolicy", name] < ranks["Job", name], "else it may reach nothing"


@pytest.mark.parametrize(
    ("extra", "topic", "group", "most"),
    [
        ([], "completed_topic", "consumer_group", "topic_partitions"),
        (["--values", EVERYTHING], "finished", "learning", 12),
        (["--set", "autoscaling.maxReplicas=5"], "completed_topic", "consumer_group", 5),
    ],
)
def test_workers_scale_by_lag_up_to_the_partitions(
    extra: list[str], topic: str, group: str, most: object
) -> None:
    rendered = render("--set", "autoscaling.enabled=true", *extra)
    fields = Settings.model_fields
    worker = workloads(rendered)["worker"]
    assert "replicas" not in worker["spec"], "else every upgrade undoes what the autoscaler did"
    spec = rendered["ScaledObject", "progress-worker"]["spec"]
    assert spec["scaleTargetRef"] == {"name": worker["metadata"]["name"]}
    assert spec["maxReplicaCount"] == (fields[most].default if isinstance(most, str) else most)
    (trigger,) = spec["triggers"]
    told = trigger["metadata"]
    assert told["topic"] == (fields[topic].default if topic in fields else topic)
    assert told["consumerGroup"] == (fields[group].default if group in fields else group)
    assert told["bootstrapServers"] == environment(worker)["PROGRESS_KAFKA_BOOTSTRAP"]
    assert all(isinstance(value, str) for value in told.values())


def test_prometheus_finds_the_jobs_that_the_rules_count_on() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    jobs = set()
    for component in ("worker", "api"):
        monitor = everything()["PodMonitor", f"progress-{component}"]
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        spec, workload = monitor["spec"], workloads(everything())[component]
        assert spec["selector"]["matchLabels"] == selected(component)
        jobs.add(workload["spec"]["template"]["metadata"]["labels"][spec["jobLabel"]])
        (endpoint,) = spec["podMetricsEndpoints"]
        assert endpoint["port"] == container(workload)["ports"][-1]["name"]
    assert jobs == {job["job_name"] for job in scraped["scrape_configs"]}


def test_rules_and_dashboards_have_one_home(tmp_path: Path) -> None:
    """Also in a packaged chart, which cannot link to files outside."""
    done = helm("package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        archive.extractall(tmp_path, filter="data")
    packaged = render("--values", EVERYTHING, chart=tmp_path / "progress-worker")
    assert packaged == everything()
    rules = packaged["PrometheusRule", "progress-rules"]["spec"]
    assert rules == yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    boards = packaged["ConfigMap", "progress-dashboards"]
    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert boards["data"] == {path.name: path.read_text("utf-8") for path in DASHBOARDS}


def test_a_rule_book_is_mounted_where_its_setting_says(tmp_path: Path) -> None:
    text = (ROOT / "progress_worker/domain/rulebook.yaml").read_text("utf-8")
    changed = tmp_path / "rulebook.yaml"
    sums = []
    for content in (text, f"{text}# changed\n"):
        changed.write_text(content, "utf-8")
        rendered = render("--set-file", f"ruleBook={changed}")
        assert rendered["ConfigMap", "progress-rule-book"]["data"] == {"rulebook.yaml": content}
        for component in ("worker", "api"):
            workload = workloads(rendered)[component]
            path = Path(str(environment(workload)["PROGRESS_CATALOGUE_FILE"]))
            (volume,) = [v for v in pod(workload)["volumes"] if "configMap" in v]
            assert volume["configMap"] == {"name": "progress-rule-book"}
            mounts = {m["name"]: m["mountPath"] for m in container(workload)["volumeMounts"]}
            assert path == Path(mounts[volume["name"]]) / "rulebook.yaml"
        sums.append(workload["spec"]["template"]["metadata"]["annotations"])
    assert sums[0] != sums[1], "else no pod would read the new one"


def test_the_image_is_the_release_or_what_is_set() -> None:
    for options, image in (
        ([], f"progress-worker:{__version__}"),
        (["--set", "image.tag=2.0"], "progress-worker:2.0"),
        (["--values", EVERYTHING], f"registry.example/progress-worker@sha256:{64 * '0'}"),
    ):
        found = {container(workload)["image"] for workload in workloads(render(*options)).values()}
        assert found == {image}
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("worker.settings.PROGRESS_LANE=3", "'/worker/settings': additional properties"),
        ("worker.settings.PROGRESS_LANES=many", "'/worker/settings/PROGRESS_LANES': got string"),
        ("worker.settings.PROGRESS_LANES=0", "'/worker/settings/PROGRESS_LANES': minimum"),
        ("worker.settings.PROGRESS_LOG_LEVEL=loud", "PROGRESS_LOG_LEVEL': value must be one of"),
        ("worker.settings.PROGRESS_DATABASE_URL=postgresql://u:p@h/d", "additional properties"),
        ("worker.secrets.PROGRESS_NONE.name=x", "'/worker/secrets': additional properties"),
        ("worker.secrets.PROGRESS_DATABASE_URL.name=", "PROGRESS_DATABASE_URL/name': minLength"),
        ("migrate.settings.PROGRESS_LANES=3", "'/migrate/settings': additional properties"),
        ("worker.replica=3", "'/worker': additional properties 'replica' not allowed"),
        ("image.digest=sha256:1", "'/image/digest': 'sha256:1' does not match"),
        ("api.ingress.enabled=true", "'/api/ingress/host': minLength"),
    ],
)
def test_a_wrong_value_is_refused(wrong: str, told: str) -> None:
    done = template(CHART, "--set", wrong)
    assert done.returncode != 0
    assert told in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("- ")]) == 1


def test_the_schema_is_up_to_date() -> None:
    command = "python deploy/helm/values_schema.py"
    assert SCHEMA.read_text("utf-8") == values_schema(), f"run `.venv/bin/{command}`"


def test_the_default_values_follow_the_schema() -> None:
    """Without Helm too."""
    schema = json.loads(values_schema())
    jsonschema.validate(yaml.safe_load((CHART / "values.yaml").read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"worker": {"settings": {"PROGRESS_LANE": 3}}}, schema)


def test_the_runbook_s_values_and_command_install_it(tmp_path: Path) -> None:
    (values,) = re.findall(r"^```yaml\n(.*?)^```$", sections()["Deploy"], re.M | re.S)
    (tmp_path / "values.yaml").write_text(values, "utf-8")
    _, _, *arguments = shlex.split(command("Deploy", "helm template"), comments=True)
    at = arguments.index("values.yaml")
    rendered = render(*arguments[:at][2:], tmp_path / "values.yaml")
    assert arguments[:2] == ["progress", str(CHART.relative_to(ROOT))]
    assert {kind for kind, _ in rendered} >= OTHERS
    made = [c.text for c in commands() if c.text.startswith("kubectl create secret")]
    secrets = {(text.split()[4], re.findall(r"PROGRESS_\w+", text)[0]) for text in made}
    wanted = {
        (value["name"], value["key"])
        for workload in workloads(rendered).values()
        for value in environment(workload).values()
        if isinstance(value, dict)
    }
    assert secrets == wanted
