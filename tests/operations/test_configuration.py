"""`config check`: what would be used, where it comes from, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from traceback import format_exception

import pytest
import yaml

from progress_worker.domain.rulebook_file import parse_rule_book
from progress_worker.errors import ConfigurationError
from progress_worker.settings.worker import load_settings
from tests.harness.worker import run_command

BUILT_IN = files("progress_worker.domain") / "rulebook.yaml"
PASSWORD = "a%20secret%21"
SECRET = "thirty-two characters and a few more"
WORKER = {
    "KAFKA_BOOTSTRAP": "kafka.test:9092",
    "DATABASE_URL": f"postgresql://worker:{PASSWORD}@db.test:5432/progress?sslmode=require",
}
VIEW = {
    "VIEW_DATABASE_URL": f"postgresql://view:{PASSWORD}@db.test/progress",
    "JWT_ISSUER": "https://issuer.test",
    "JWT_AUDIENCE": "progress",
    "JWT_SECRET": SECRET,
}
MIGRATE = {"MIGRATE_DATABASE_URL": f"postgresql://owner:{PASSWORD}@db.test/progress"}


def _check(
    variables: Mapping[str, str], command: str = "worker"
) -> tuple[int, dict[str, list[str]], str]:
    done = run_command(variables, "config", "check", "--for", command)
    assert PASSWORD not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    rows = (line.split(maxsplit=2) for line in done.stdout.splitlines())
    return done.returncode, {name: rest for name, *rest in rows}, done.stderr


def test_a_value_and_its_source_are_told() -> None:
    status, used, complaint = _check(WORKER | {"BATCH_MAX_EVENTS": "60"})
    assert (status, complaint) == (0, "")
    assert used["PROGRESS_KAFKA_BOOTSTRAP"] == ["environment", "kafka.test:9092"]
    assert used["PROGRESS_LANES"] == ["default", "2"]
    assert used["PROGRESS_BATCH_MAX_EVENTS"] == ["environment", "60"]
    assert used["PROGRESS_MAX_FUTURE_SECONDS"] == ["default", "300.0"]
    assert used["PROGRESS_KAFKA_IDEMPOTENT_PRODUCER"] == ["default", "true"]
    assert "PROGRESS_JWT_ISSUER" not in used


def test_secrets_are_masked() -> None:
    _, used, _ = _check(WORKER | {"KAFKA_SASL_PASSWORD": SECRET})
    address = "postgresql://worker:***@db.test:5432/progress?***"
    assert used["PROGRESS_DATABASE_URL"] == ["environment", address]
    assert used["PROGRESS_KAFKA_SASL_PASSWORD"] == ["environment", "***"]
    _, used, _ = _check(VIEW, "api")
    assert used["PROGRESS_JWT_SECRET"] == ["environment", "***"]
    assert used["PROGRESS_VIEW_DATABASE_URL"][1] == "postgresql://view:***@db.test/progress"


@pytest.mark.parametrize(
    ("command", "variables", "own"),
    [("api", VIEW, "PROGRESS_VIEW_PORT"), ("migrate", MIGRATE, "PROGRESS_WORKER_ROLE")],
)
def test_other_commands(command: str, variables: dict[str, str], own: str) -> None:
    status, used, complaint = _check(variables, command)
    assert (status, complaint) == (0, "")
    assert used[own][0] == "default"
    assert "PROGRESS_KAFKA_BOOTSTRAP" not in used


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"LANES": "none"}, "PROGRESS_LANES is wrong: "),
        ({"LANEZ": "3"}, "PROGRESS_LANEZ is set and nothing reads it; did you mean PROGRESS_LANES"),
        ({"EVENT_SOURCE": "/mine"}, "PROGRESS_EVENT_SOURCE is set and nothing reads it"),
        ({"ZZZZZZZZ": "3"}, "PROGRESS_ZZZZZZZZ is set and nothing reads it."),
        ({"DATABASE_URL": "mysql://w@db/p"}, "PROGRESS_DATABASE_URL is wrong: it must begin"),
        ({"DATABASE_URL": f"postgresql://w:{PASSWORD}@x@db/p"}, "PROGRESS_DATABASE_URL is wrong:"),
        ({"DATABASE_URL": f"postgresql://w:/{PASSWORD}@db/p"}, "PROGRESS_DATABASE_URL is wrong:"),
        ({"DATABASE_URL": f"postgresql://w:a#{PASSWORD}@d/p"}, "PROGRESS_DATABASE_URL is wrong:"),
        ({"CATALOGUE_FILE": "nowhere.yaml"}, "PROGRESS_CATALOGUE_FILE is wrong:"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": "nowhere.pem"},
            "PROGRESS_KAFKA_SSL_CA_FILE is wrong:",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERT_FILE": "nowhere.pem"},
            "PROGRESS_KAFKA_SSL_CERT_FILE is wrong:",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(changes: dict[str, str], sentence: str) -> None:
    status, used, complaint = _check(WORKER | changes)
    assert status == 1
    assert used == {}
    assert complaint.startswith(sentence)
    assert len(complaint.splitlines()) == 1


@pytest.mark.parametrize("content", [None, "[]", '{"keys": []}', "nonsense", 100_000 * "["])
def test_a_key_file_without_keys_is_wrong(tmp_path: Path, content: str | None) -> None:
    keys = tmp_path / "keys.json"
    if content is not None:
        keys.write_text(content)
    status, _, complaint = _check(VIEW | {"JWT_JWKS_FILE": str(keys)}, "api")
    assert status == 1
    assert complaint.startswith("PROGRESS_JWT_JWKS_FILE is wrong:")


@pytest.mark.parametrize(
    "address",
    ["db", "", "[::1]:5432", "a:1,b:2", "w:%40%3A@a,b", "w:p@a:1,b", "w:p@[::1]", "w:a:b@c"],
)
def test_an_address_of_postgres_is_taken(address: str) -> None:
    url = f"postgresql://{address}/progress"
    settings = load_settings(kafka_bootstrap="k:9092", database_url=url)
    assert settings.database_url.get_secret_value() == url


@pytest.mark.parametrize(
    "address",
    [
        *("w:a@SECRET@d", "w:a/SECRET@d", "w:1/SECRET@d", "w:a#SECRET@d", "w:1#SECRET@d"),
        *("w:a?SECRET@d", "w:1?SECRET@d", "w:a[SECRET@d", "w:a]SECRET@d", "w:a%zSECRET@d"),
        *(
            "w:\u2100SECRET@d",
            "w:SECRET@d:0",
            "w:SECRET@d:port",
            "w:SECRET@d,e:port",
            "w:SECRET@[d",
        ),
    ],
)
def test_an_address_that_would_be_misread_is_refused_and_not_told(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(kafka_bootstrap="k:9092", database_url=f"postgresql://{address}/progress")
    assert str(caught.value).startswith(
        "PROGRESS_DATABASE_URL is wrong: its port is not a number from 1"
    )
    assert "SECRET" not in "".join(format_exception(caught.value))


def test_everything_that_is_missing_or_wrong_is_said_at_once() -> None:
    status, used, complaint = _check({"LANES": "two", "LANEZ": "2"})
    assert (status, used) == (1, {})
    assert complaint.splitlines() == [
        "PROGRESS_LANEZ is set and nothing reads it; did you mean PROGRESS_LANES?",
        "PROGRESS_KAFKA_BOOTSTRAP and PROGRESS_DATABASE_URL are not set.",
        "PROGRESS_LANES is wrong: it must be a whole number.",
    ]
    assert _check({}, "api")[2].splitlines() == [
        "PROGRESS_JWT_ISSUER and PROGRESS_JWT_AUDIENCE are not set.",
        "One of PROGRESS_JWT_SECRET, PROGRESS_JWT_JWKS_FILE and PROGRESS_JWT_JWKS_URL must be set.",
        "One of PROGRESS_VIEW_DATABASE_URL and PROGRESS_DATABASE_URL must be set.",
    ]


def test_a_variable_that_nothing_reads_is_a_warning_elsewhere() -> None:
    done = run_command({"CATALOGUE_FILES": "rules.yaml"}, "rules", "check")
    assert done.returncode == 0
    assert done.stderr == (
        "Warning: PROGRESS_CATALOGUE_FILES is set and nothing reads it; "
        "did you mean PROGRESS_CATALOGUE_FILE?\n"
    )


def test_what_kubernetes_sets_for_a_service_is_no_setting() -> None:
    service = {
        "WORKER_SERVICE_HOST": "10.0.0.1",
        "WORKER_SERVICE_PORT_WEB": "6066",
        "WORKER_PORT": "tcp://10.0.0.1:6066",
        "WORKER_PORT_6066_TCP_ADDR": "10.0.0.1",
    }
    assert _check(WORKER | service)[0] == 0
    assert _check(WORKER | {"WORKER_PORT": "6066"})[0] == 1


def test_a_rule_book_is_checked_alone(tmp_path: Path) -> None:
    achievements = yaml.safe_load(BUILT_IN.read_text("utf-8"))["achievements"][:2]
    file = tmp_path / "rules [1].yaml"
    file.write_text(yaml.safe_dump({"version": 7, "achievements": achievements}))
    sentence = f"The rule book default ({file}) is version 7 with 2 achievements.\n"
    assert run_command({}, "rules", "check", str(file)).stdout == sentence
    assert run_command({"CATALOGUE_FILE": str(file)}, "rules", "check").stdout == sentence
    found = run_command({}, "rules", "check", str(file), "--json").stdout
    assert json.loads(found) == {
        "file": str(file),
        "name": "default",
        "version": 7,
        "digest": parse_rule_book(file.read_text()).digest,
        "achievements": 2,
        "suspicious": [],
    }
    checked = run_command(WORKER | {"CATALOGUE_FILE": str(file)}, "config", "check").stdout
    assert checked.endswith(sentence)


def test_what_would_be_used_for_programs() -> None:
    done = run_command(WORKER, "config", "check", "--json")
    found = json.loads(done.stdout)
    assert {"variable": "PROGRESS_LANES", "value": "2", "source": "default"} in found["settings"]
    assert found["rule_book"]["file"] is None
    assert PASSWORD not in done.stdout


def test_thresholds_that_were_settings_stop_the_start_and_say_where_they_belong_now() -> None:
    old = {"LEVEL_EXPERT__EXERCISES": "60", "LEVEL_ADVANCED": "{}", "LEVEL_TOPIC": "levels"}
    for command in ("worker", "api"):
        variables = WORKER | VIEW | old
        complaint = run_command(variables, command).stderr
        assert complaint.splitlines() == [
            f"PROGRESS_LEVEL_{name} is no longer a setting: write `levels: {{{level}: {{exercises: "
            "…, mean_grade: …}}` in the rule book (PROGRESS_CATALOGUE_FILE)."
            for name, level in (("ADVANCED", "advanced"), ("EXPERT__EXERCISES", "expert"))
        ]


def test_everything_wrong_in_a_rule_book_is_said_in_a_sentence_each(tmp_path: Path) -> None:
    entry = "{id: %s, name: N, description: D, category: c, tier: gold, points: 1, icon: i, "
    file = tmp_path / "rules.yaml"
    file.write_text(
        "version: 0\nlevels: {expert: {exercises: 5, mean_grade: 80}}\n"
        "topics: {algorithms: {name: ''}}\nachievements:\n"
        f"- {entry % 'one'} rule: {{streak: {{days: 0}}}}}}\n"
        f"- {entry % 'two'} rule: {{}}}}\n"
    )
    done = run_command({}, "rules", "check", str(file))
    assert done.returncode == 1
    start = f"PROGRESS_CATALOGUE_FILE is wrong: {file}: the rule book is wrong at "
    assert [line.removeprefix(start) for line in done.stderr.splitlines()] == [
        "version: Input should be greater than or equal to 1.",
        "levels: `expert` asks for exercises 5 and `advanced` for 30: a higher level cannot ask "
        "for less.",
        "topics.algorithms.name: String should have at least 1 character.",
        "achievements.0.rule.streak.days (one): Input should be greater than or equal to 1.",
        "achievements.1.rule (two): a rule has exactly one kind.",
    ]


def test_what_looks_like_a_slip_is_said_too(tmp_path: Path) -> None:
    entry = "- {id: %s, name: %s, description: D, category: c, tier: gold, points: 1, icon: i, "
    hints = "exercises_completed: {at_least: 1, max_hints: 1000}"
    file = tmp_path / "rules.yaml"
    file.write_text(
        "version: 1\nlevels: {expert: {exercises: 30, mean_grade: 70}}\nachievements:\n"
        + (entry % ("one", "One")) + "rule: {streak: {days: 5000}}}\n"
        + (entry % ("two", "ONE")) + "rule: {streak: {days: 5000}}}\n"
        + (entry % ("three", "Three")) + f"goal: Do it, rule: {{all: [{{{hints}}}]}}}}\n"
    )  # fmt: skip
    done = run_command({}, "rules", "check", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    long = "a streak of 5000 days takes more than ten years."
    assert done.stdout.splitlines()[1:] == [
        f"Suspicious: {sentence}"
        for sentence in (
            "two has the same rule as one.",
            "two has the same name as one.",
            f"one: {long}",
            f"two: {long}",
            "three: `all` has a single part: write that part alone.",
            "three: `max_hints` excludes nothing: an event has at most 1000.",
            "no `goal` says how to earn one, two.",
            "the levels advanced and expert ask for the same: nobody stays advanced.",
        )
    ]
