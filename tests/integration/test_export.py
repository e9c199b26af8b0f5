"""The export of what the worker stored: complete, explained, valid, and from one moment."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from uuid import UUID, uuid5

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError
from ralph.models.xapi.base.statements import BaseXapiStatement

from progress_worker.embedded.database import Database
from progress_worker.errors import TransientError
from progress_worker.http.api.responses_of_export import SCHEMA_FILE, ExportAnswer
from progress_worker.http.export.exporting import Reader, exporting
from progress_worker.http.export.formats import FORMATS
from progress_worker.http.export.parts import PARTS
from progress_worker.http.export.spools import Spools
from tests.harness.erasing import ADA, BARRIER, PEPPER, Erased, life
from tests.harness.events import completed, erasure, excuse
from tests.harness.storage import Projection, execute, fetch, projection
from tests.harness.worker import Deployment, run_command
from tests.http.stage import NOON, Stage, open_stage
from tests.integration.test_explanations import NEWER, RULES, some
from tests.integration.test_walk import Ruled

pytestmark = pytest.mark.integration

Export = Callable[..., CompletedProcess[str]]

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / SCHEMA_FILE).read_text("utf-8"))
FILES = [
    "README.txt",
    "export.json",
    *(f"{part.name}.csv" for part in PARTS),
    "skill_levels.csv",
    "xapi.json",
]
EXCUSE = """
INSERT INTO excuse VALUES ('ada', '0f8fad5b-d9cb-469f-a165-70867728950e', 1, false,
    '2026-11-01T10:00:00Z', 'sick', '2026-11-02', '2026-11-04')
"""
PREFERENCE = f"""
INSERT INTO learner_preference (user_id, revision, issued_at, boards, gamification)
    VALUES ('{ADA}', 3, '2026-03-15T10:00:00Z', 'hidden', 'off')
"""


@pytest.fixture
async def ruled(projected: Projection, migrated_database: Database) -> Ruled:
    ruled = Ruled(projected, migrated_database.owner_url)
    await ruled.activate(RULES)
    return ruled


@pytest.fixture
def command(
    deploy: Callable[[Database], Deployment], migrated_database: Database, stage: Stage
) -> Export:
    secret = stage.settings.jwt_secret
    assert secret is not None
    variables = {
        **deploy(migrated_database).environment(),
        "VIEW_DATABASE_URL": migrated_database.view_url,
        "JWT_ISSUER": stage.settings.jwt_issuer,
        "JWT_AUDIENCE": stage.settings.jwt_audience,
        "JWT_SECRET": secret.get_secret_value(),
    }

    def run(*arguments: str) -> CompletedProcess[str]:
        return run_command(variables, "export", *arguments)

    return run


async def files_of(stage: Stage, user_id: str = "ada") -> dict[str, str]:
    """The files of the zip, whose checksums are right."""
    answer = await stage.get("/export", user_id, format="zip")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def validate(exported: object) -> None:
    Draft202012Validator(SCHEMA, format_checker=FormatChecker(["uuid", "date"])).validate(exported)


async def test_unlocks_are_explained_as_their_own_path_explains_them(
    ruled: Ruled, stage: Stage
) -> None:
    await ruled.apply(*some(1, difficulty="easy"), *some(2, difficulty="hard", grade=95))
    await ruled.activate(NEWER)
    await ruled.apply(completed("ada", completed_at="2026-03-11T10:00:00Z", difficulty="hard"))
    exported = await stage.read("/export")
    validate(exported)
    stored = fetch(ruled.url, "SELECT achievement_id, occurrence FROM achievement_unlock")
    unlocks = exported["unlocks"]
    assert {(each["id"], each["occurrence"]) for each in unlocks} == set(stored)
    assert len(unlocks) == len(stored) > 3
    assert [each["unlock"]["unlocked_at"] for each in unlocks] == sorted(
        each["unlock"]["unlocked_at"] for each in unlocks
    )
    for each in unlocks:
        path = f"/achievements/{each['id']}/explanation"
        explained = await stage.read(path, occurrence=each["occurrence"])
        assert each.pop("local_day") == each["unlock"]["unlocked_at"][:10]
        assert each == {name: explained[name] for name in each}
        assert each["rule"]["sentence"]


async def test_what_is_hidden_and_locked_is_not_told(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(3, difficulty="easy"))
    files = await files_of(stage)
    assert not any("secret" in text.lower() for text in files.values())
    await ruled.apply(*some(1, difficulty="hard"))
    assert "secret" in (await files_of(stage))["unlocks.csv"]


async def test_an_unlock_of_a_lost_rule_book_and_a_gone_achievement_is_told(
    ruled: Ruled, stage: Stage
) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    execute(
        ruled.url,
        "UPDATE achievement_unlock SET achievement_id = 'gone', rule_version = 3"
        " WHERE achievement_id = 'first'",
    )
    exported = await stage.read("/export")
    validate(exported)
    (gone,) = (each for each in exported["unlocks"] if each["id"] == "gone")
    assert (gone["name"], gone["rule_version"]) == ("gone", 3)
    assert gone["rules_of_that_day"] is False
    assert gone["rule"] is gone["still_holds"] is None
    assert gone["unlock"]["measured"]["value"] == 1


async def test_the_lists_and_their_csv_files_hold_every_row(ruled: Ruled, stage: Stage) -> None:
    day = {"completed_at": "2026-11-10T10:00:00Z", "difficulty": "hard", "topic": "=1+1"}
    await ruled.apply(
        completed("ada", **day, grade=50.5, cohort="7b"),
        completed("ada", **day, grade=None, time_spent_seconds=5),
        completed("ada", **day, grade=100, hints_used=3),
        completed("bob", **day),
    )
    execute(ruled.url, EXCUSE)
    exported = await stage.read("/export")
    validate(exported)
    assert [name for name in exported if name in {part.name for part in PARTS}] == [
        part.name for part in PARTS
    ]
    assert ExportAnswer.__struct_fields__[-len(PARTS) :] == tuple(part.name for part in PARTS)
    assert exported["days"] == [
        {
            "local_day": "2026-11-10",
            "topic": "=1+1",
            "difficulty": "hard",
            "exercises_completed": 3,
            "exercises_graded": 2,
            "average_grade": 75.25,
            "exercises_passed": exported["days"][0]["exercises_passed"],
            "time_spent_seconds": sum(c["time_spent_seconds"] for c in exported["completions"]),
            "hints_used": sum(c["hints_used"] for c in exported["completions"]),
        }
    ]
    assert exported["excuses"] == [
        {
            "excuse_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "revision": 1,
            "revoked": False,
            "kind": "sick",
            "first_day": "2026-11-02",
            "last_day": "2026-11-04",
            "issued_at": "2026-11-01T10:00:00Z",
        }
    ]
    files = await files_of(stage)
    assert list(files) == FILES
    assert json.loads(files["export.json"]) == exported
    assert files["completions.csv"] == ((await stage.get("/export", format="csv")).content.decode())
    assert json.loads(files["xapi.json"]) == await stage.read("/export", format="xapi")
    for part in PARTS:
        assert len(table(files[f"{part.name}.csv"])) == len(exported[part.name]), part.name
    (one,) = table(files["days.csv"])
    assert one["topic"] == "'=1+1"
    assert {row["cohort"] for row in table(files["completions.csv"])} == {"", "7b"}
    (level,) = table(files["skill_levels.csv"])
    (answered,) = exported["skill_levels"]["skill_levels"]
    assert (level["topic"], level["level"]) == ("'=1+1", answered["level"])
    unlocked = table(files["unlocks.csv"])
    assert [row["sentence"] for row in unlocked] == [
        each["rule"]["sentence"] for each in exported["unlocks"]
    ]
    assert all(row["holds_by_todays_rules"] == "true" for row in unlocked)
    for name in FILES[1:]:
        assert f"* {name}: " in files["README.txt"]
    assert "learner ada" in files["README.txt"]


@pytest.mark.parametrize(
    ("home", "account", "below"),
    [
        ("https://learn.example/", "https://learn.example", "https://learn.example"),
        (None, "https://issuer.test", "https://issuer.test"),
    ],
)
async def test_statements_are_valid_and_say_what_was_done(
    ruled: Ruled, migrated_database: Database, home: str | None, account: str, below: str
) -> None:
    first = completed("ada", exercise_id="a b/ü?", grade=33.33, hints_used=2, cohort="7b")
    again = completed("ada", grade=None, completed_at="2026-11-11T01:00:00+02:00")
    gone = completed("ada")
    await ruled.apply(first, again, gone)
    await ruled.apply({**again, "revision": 2}, {**gone, "revision": 1, "revoked": True})
    async with open_stage(migrated_database, {"xapi_home_page": home}) as stage:
        answer = await stage.get("/export", format="xapi")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["content-disposition"].endswith('.xapi.json"')
    found = {each["id"]: each for each in answer.json()}
    for each in found.values():
        BaseXapiStatement.model_validate(each)
    second = str(uuid5(UUID(again["event_id"]), "revision 2"))
    assert found.keys() == {first["event_id"], second}
    statement = found[first["event_id"]]
    assert statement["actor"]["account"] == {"homePage": account, "name": "ada"}
    assert statement["verb"]["id"] == "http://adlnet.gov/expapi/verbs/completed"
    assert statement["object"]["id"] == f"{below}/exercises/a%20b%2F%C3%BC%3F"
    assert statement["result"] == {
        "completion": True,
        "duration": f"PT{first['time_spent_seconds']}S",
        "score": {"scaled": 0.3333, "raw": 33.33, "min": 0, "max": 100},
    }
    extensions = statement["context"]["extensions"]
    assert extensions["urn:progress-worker:xapi:topic"] == first["topic"]
    assert extensions["urn:progress-worker:xapi:difficulty"] == first["difficulty"]
    assert extensions["urn:progress-worker:xapi:hints_used"] == 2
    assert extensions["urn:progress-worker:xapi:cohort"] == "7b"
    assert "score" not in found[second]["result"]
    assert found[second]["timestamp"] == "2026-11-10T23:00:00Z"
    assert found[second]["context"]["extensions"]["urn:progress-worker:xapi:revision"] == 2
    with pytest.raises(ValidationError):
        BaseXapiStatement.model_validate({**statement, "verb": {"id": "completed"}})


async def test_an_issuer_that_is_no_address_becomes_a_urn(
    ruled: Ruled, migrated_database: Database
) -> None:
    await ruled.apply(completed("ada"))
    async with open_stage(migrated_database, {"jwt_issuer": "an issuer"}) as stage:
        answer = await stage.client.get(
            "/api/progress/export?format=xapi",
            headers={"Authorization": f"Bearer {stage.token(iss='an issuer')}"},
        )
    (statement,) = answer.json()
    BaseXapiStatement.model_validate(statement)
    home = "urn:progress-worker:issuer:an%20issuer"
    assert statement["actor"]["account"]["homePage"] == home


async def test_all_files_show_one_moment_while_the_learner_goes_on(
    ruled: Ruled, stage: Stage
) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    reader = Reader("ada", NOON, "https://learn.example")
    view = stage.app.context
    pieces = []
    async with view.exports.open("ada") as source:
        chunks = FORMATS["zip"].write(await exporting(reader, source, view.computing))
        pieces.append(await anext(chunks))
        async for chunk in chunks:
            pieces.append(chunk)
            if len(pieces) < 12:
                minute = len(pieces)
                await ruled.apply(completed("ada", completed_at=f"2026-04-02T10:{minute:02}:00Z"))
    (stored,) = fetch(ruled.url, "SELECT count(*) FROM completion")[0]
    assert stored == 12
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    exported = json.loads(files["export.json"])
    validate(exported)
    assert exported["progress"]["exercises_completed"] == 2
    assert exported["statistics"]["all"]["exercises_completed"] == 2
    assert sum(day["exercises_completed"] for day in exported["days"]) == 2
    for rows in (exported["completions"], table(files["completions.csv"])):
        assert len(rows) == 2
    assert len(json.loads(files["xapi.json"])) == 2
    assert len(table(files["unlocks.csv"])) == len(exported["unlocks"]) == 3


async def test_a_learner_never_seen_has_an_empty_export(stage: Stage) -> None:
    assert_empty(await files_of(stage))


async def test_an_erased_learner_has_an_empty_export(deployment: Deployment) -> None:
    async with (
        projection(deployment.settings(ERASURE_PEPPER=PEPPER)) as parts,
        open_stage(deployment.database, {}) as stage,
    ):
        erased = Erased(parts, deployment.database.owner_url)
        await erased.apply(*life(ADA))
        await erased.command(excuse(ADA, "2026-03-15"))
        execute(erased.url, PREFERENCE)
        before = json.loads((await files_of(stage, ADA))["export.json"])
        assert all(before[part.name] for part in PARTS)
        (preferred,) = before["preferences"]
        assert (preferred["revision"], preferred["gamification"]) == (3, "off")
        assert before["achievements"]["achievements"]
        await erased.command(erasure(ADA, BARRIER))
        assert_empty(await files_of(stage, ADA))


def assert_empty(files: dict[str, str]) -> None:
    assert list(files) == FILES
    exported = json.loads(files["export.json"])
    validate(exported)
    for part in PARTS:
        assert exported[part.name] == table(files[f"{part.name}.csv"]) == []
        assert files[f"{part.name}.csv"] == "\ufeff" + ",".join(part.columns) + "\r\n"
    assert json.loads(files["xapi.json"]) == []


@pytest.mark.parametrize("kind", ["xapi", "zip"])
async def test_new_formats_answer_as_the_others_do(ruled: Ruled, stage: Stage, kind: str) -> None:
    await ruled.apply(*some(2))
    answer = await stage.get("/export", format=kind)
    assert answer.headers["content-type"] == FORMATS[kind].media_type  # type: ignore[index]
    head = await stage.get("/export", method="HEAD", format=kind)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-disposition", "vary", "cache-control"):
        assert head.headers[name] == answer.headers[name]
    assert ("content-language" in head.headers) is (kind == "zip")
    assert ("content-encoding" in answer.headers) is (kind == "xapi")
    tag = {"If-None-Match": answer.headers["etag"]}
    assert (await stage.get("/export", format=kind, headers=tag)).status_code == 304
    await ruled.apply(*some(1))
    assert (await stage.get("/export", format=kind, headers=tag)).status_code == 200
    other = await stage.get("/export", format=kind, user_id="bob")
    assert other.status_code == 403
    plain = await stage.client.get(f"/api/progress/export?format={kind}")
    assert plain.status_code == 401


async def test_a_new_rule_book_changes_what_explanations_say(ruled: Ruled, stage: Stage) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    tag = {"If-None-Match": (await stage.get("/export")).headers["etag"]}
    assert (await stage.get("/export", headers=tag)).status_code == 304
    await ruled.activate(NEWER)
    stage.app.context.exports._books._looked_at = float("-inf")
    assert (await stage.get("/export", headers=tag)).status_code == 200


async def test_a_zip_takes_as_much_room_as_it_has_bytes(ruled: Ruled, stage: Stage) -> None:
    spools = Spools(most_bytes=1_000)
    with spools.open(is_packed=True) as spool:
        spool.write(b"x" * 900)
        with pytest.raises(TransientError, match="Too many exports"):
            spool.write(b"x" * 101)
        assert b"".join(spool.portions()) == b"x" * 900
    with spools.open(is_packed=True) as again:
        again.write(b"x" * 1_000)


async def test_the_command_writes_what_the_view_answers(
    ruled: Ruled, stage: Stage, command: Export, tmp_path: Path
) -> None:
    await ruled.apply(*some(2, difficulty="hard"))
    printed = command("ada")
    assert printed.returncode == 0, printed.stderr
    assert printed.stderr == ""
    exported = json.loads(printed.stdout)
    validate(exported)
    answered = await stage.read("/export")
    for name in ("completions", "days", "unlocks", "achievements", "skill_levels"):
        assert exported[name] == answered[name]
    csv_file, zip_file = tmp_path / "ada.csv", tmp_path / "ada.zip"
    assert command("ada", "--format", "csv", "--output", str(csv_file)).returncode == 0
    assert csv_file.read_bytes() == (await stage.get("/export", format="csv")).content
    assert csv_file.stat().st_mode & 0o777 == 0o600
    assert command("ada", "--format", "zip", "--output", str(zip_file)).returncode == 0
    with zipfile.ZipFile(zip_file) as archive:
        assert archive.namelist() == FILES
        statements = json.loads(archive.read("xapi.json"))
    assert statements == await stage.read("/export", format="xapi")
    assert names_in(tmp_path) == {csv_file.name, zip_file.name}


async def test_the_command_says_that_a_learner_is_unknown(stage: Stage, command: Export) -> None:
    printed = command("nobody", "--format", "xapi")
    assert (printed.returncode, printed.stdout) == (0, "[]")
    assert printed.stderr == "Nothing is stored of a learner nobody: the export is empty.\n"


async def test_the_command_leaves_no_half_a_file(
    stage: Stage, command: Export, migrated_database: Database, tmp_path: Path
) -> None:
    execute(migrated_database.owner_url, "REVOKE SELECT ON excuse FROM progress_view")
    before = tmp_path / "ada.json"
    before.write_text("before")
    failed = command("ada", "--output", str(before))
    assert failed.returncode == 1
    assert "permission denied" in failed.stderr
    assert before.read_text() == "before"
    assert names_in(tmp_path) == {before.name}
    nowhere = command("ada", "--output", str(tmp_path / "no" / "ada.json"))
    assert nowhere.returncode == 1
    assert "cannot be written: No such file or directory." in nowhere.stderr
