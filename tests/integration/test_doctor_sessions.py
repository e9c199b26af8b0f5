"""No setting of the server, a database, a role or the environment decides what `doctor` says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import psycopg
import pytest
from pydantic import SecretStr

from progress_worker.doctor.findings import Finding
from progress_worker.doctor.postgres import check_view_database, check_worker_database
from progress_worker.embedded.database import VIEW_ROLE, WORKER_ROLE, Database
from progress_worker.settings.view import ViewSettings
from progress_worker.settings.worker import Settings
from progress_worker.storage.schema import privileges
from tests.harness.hostile import DATE_STYLES, HOSTILE, alter
from tests.harness.starting import VIEW

pytestmark = pytest.mark.integration

Check = Callable[[Database], Awaitable[list[Finding]]]


async def _worker(database: Database) -> list[Finding]:
    return await check_worker_database(
        Settings(kafka_bootstrap="nowhere:1", database_url=SecretStr(database.worker_url))
    )


async def _view(database: Database) -> list[Finding]:
    url = SecretStr(database.view_url)
    return await check_view_database(
        ViewSettings(
            view_database_url=url,
            jwt_issuer=VIEW["JWT_ISSUER"],
            jwt_audience=VIEW["JWT_AUDIENCE"],
            jwt_secret=SecretStr(VIEW["JWT_SECRET"]),
        )
    )


@pytest.fixture(params=[_worker, _view], ids=["worker", "view"])
def check(request: pytest.FixtureRequest) -> Check:
    """What `doctor` does with the database of either."""
    found: Check = request.param
    return found


def wrong(findings: list[Finding]) -> list[str]:
    return [found.sentence for found in findings if found.wrong]


@pytest.mark.parametrize(
    "settings",
    [
        *({"DateStyle": style} for style in DATE_STYLES),
        *({"client_encoding": name} for name in ("SQL_ASCII", "LATIN1", "WIN1252", "EUC_JP")),
        HOSTILE,
    ],
    ids=lambda settings: ",".join(settings.values()) if len(settings) == 1 else "all",
)
async def test_no_setting_of_a_database_or_a_role_changes_a_finding(
    check: Check, migrated_database: Database, settings: Mapping[str, str]
) -> None:
    usual = await check(migrated_database)
    assert not wrong(usual)
    alter(migrated_database, settings)
    assert await check(migrated_database) == usual
    for role in (WORKER_ROLE, VIEW_ROLE):
        alter(migrated_database, settings, role=role)
    assert await check(migrated_database) == usual


@pytest.mark.parametrize(
    "variables",
    [
        {"PGDATESTYLE": "German", "PGTZ": "Asia/Kolkata", "PGCLIENTENCODING": "SQL_ASCII"},
        {"PGDATESTYLE": "Postgres, DMY", "PGCLIENTENCODING": "LATIN1"},
        {"PGOPTIONS": " ".join(f"-c {n}={v.replace(' ', '')}" for n, v in HOSTILE.items())},
    ],
    ids=["unreadable", "other", "options"],
)
async def test_no_variable_changes_a_finding(
    check: Check,
    migrated_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    variables: Mapping[str, str],
) -> None:
    usual = await check(migrated_database)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert await check(migrated_database) == usual


@pytest.mark.parametrize("table", [privileges.REVISION_TABLE, "learner", "rule_book"])
async def test_a_policy_that_hides_rows_is_named_with_its_cure(
    check: Check, migrated_database: Database, table: str
) -> None:
    with psycopg.connect(migrated_database.owner_url, autocommit=True) as owner:
        owner.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY".encode())
    role = WORKER_ROLE if check is _worker else VIEW_ROLE
    assert wrong(await check(migrated_database)) == [
        f"Row-level security is on for {table} and may hide rows from the role {role}: turn it "
        "off there (ALTER TABLE ... DISABLE ROW LEVEL SECURITY), or give the role BYPASSRLS."
    ]


async def test_a_role_that_no_policy_holds_for_sees_all(
    check: Check, migrated_database: Database
) -> None:
    owner_url = migrated_database.owner_url
    as_owner = replace(migrated_database, worker_url=owner_url, view_url=owner_url)
    usual = await check(as_owner)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE learner ENABLE ROW LEVEL SECURITY")
    assert await check(as_owner) == usual
