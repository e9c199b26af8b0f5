"""The roles have only what they need: every privilege is listed, others are refused."""

from __future__ import annotations

from typing import Final, LiteralString

import psycopg
import pytest

from progress_worker.embedded.database import VIEW_ROLE, WORKER_ROLE, Database
from progress_worker.storage.schema.migrate import migrate
from tests.harness.storage import execute, fetch

pytestmark = pytest.mark.integration

READ, KEPT = {"SELECT"}, {"SELECT", "INSERT", "UPDATE"}
ALL = KEPT | {"DELETE"}
GRANTED: Final = {
    WORKER_ROLE: {
        "learner": ALL,
        "completion": ALL,
        "excuse": ALL,
        "learner_preference": ALL,
        "learner_total": ALL,
        "learner_day": ALL,
        "skill_level": ALL,
        "learner_counter": ALL,
        "achievement_unlock": {"SELECT", "INSERT", "DELETE"},
        "streak_expiry": ALL,
        "outbox": ALL,
        "erasure": KEPT,
        "erasure_receipt": {"SELECT", "INSERT"},
        "erasure_pepper": {"SELECT", "INSERT"},
        "rule_book": {"SELECT", "INSERT"},
        "running_worker": ALL,
        "walk": KEPT,
        "command_position": KEPT,
        "achievement_rarity": KEPT,
        "alembic_version": READ,
    },
    VIEW_ROLE: {
        "learner": READ,
        "completion": READ,
        "learner_preference": READ,
        "excuse": READ,
        "learner_total": READ,
        "learner_day": READ,
        "skill_level": READ,
        "achievement_unlock": READ,
        "rule_book": READ,
        "achievement_rarity": READ,
        "alembic_version": READ,
    },
}

#: All privileges of a role or of PUBLIC on tables, columns, sequences and schemas.
PRIVILEGES: Final[LiteralString] = """
WITH granted (kind, name, acl) AS (
    SELECT 'relation', relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'column', attrelid::regclass || '.' || attname, attacl FROM pg_attribute
    WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT 'schema', nspname, nspacl FROM pg_namespace WHERE nspname = 'public'
    UNION ALL SELECT 'function', proname, proacl FROM pg_proc
              WHERE pronamespace = 'public'::regnamespace
)
SELECT kind, name, coalesce(nullif(grantee, 0)::regrole::text, 'everybody'), privilege_type,
       is_grantable
FROM granted, aclexplode(acl) WHERE grantee <> 'postgres'::regrole
AND grantee <> 'pg_database_owner'::regrole
"""


def test_every_privilege_is_a_needed_one(migrated_database: Database) -> None:
    expected = {
        ("relation", table, role, privilege, False)
        for role, tables in GRANTED.items()
        for table, privileges in tables.items()
        for privilege in privileges
    }
    everybodys = {("schema", "public", "everybody", "USAGE", False)}
    assert set(fetch(migrated_database.owner_url, PRIVILEGES)) == expected | everybodys


def test_the_roles_are_nothing_else(migrated_database: Database) -> None:
    url = migrated_database.owner_url
    attributes = fetch(
        url,
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
        " FROM pg_roles WHERE rolname IN ('progress_worker', 'progress_view')",
    )
    assert attributes == [(False,), (False,)]
    assert (
        fetch(url, "SELECT 1 FROM pg_auth_members WHERE member::regrole::text ~ 'progress'") == []
    )
    assert (
        fetch(
            url,
            "SELECT 1 FROM pg_shdepend WHERE deptype = 'o' AND refobjid IN"
            " ('progress_worker'::regrole, 'progress_view'::regrole)",
        )
        == []
    )


REFUSED: Final[dict[str, tuple[LiteralString, ...]]] = {
    WORKER_ROLE: (
        "DELETE FROM erasure",
        "UPDATE erasure_receipt SET deleted = '{}'",
        "DELETE FROM erasure_pepper",
        "UPDATE achievement_unlock SET backdated = true",
        "TRUNCATE outbox",
        "DELETE FROM alembic_version",
        "UPDATE rule_book SET content = ''",
        "DELETE FROM rule_book",
        "DELETE FROM walk",
        "DELETE FROM command_position",
        "CREATE INDEX mine ON learner (version)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER mine BEFORE DELETE ON outbox EXECUTE FUNCTION"
        " suppress_redundant_updates_trigger()",
        "CREATE EXTENSION dblink",
        "ALTER TABLE outbox OWNER TO progress_worker",
        "COPY learner TO '/tmp/learners'",
        "COPY learner TO PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT rolpassword FROM pg_authid",
        "SELECT setval('outbox_id_seq', 1)",
        "ALTER ROLE progress_worker SUPERUSER",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "SET ROLE postgres",
        "SET ROLE progress_view",
        "SET session_replication_role = replica",
        "ALTER SYSTEM SET fsync = off",
    ),
    VIEW_ROLE: (
        "SELECT key FROM outbox",
        "INSERT INTO achievement_unlock SELECT * FROM achievement_unlock",
        "UPDATE alembic_version SET version_num = 'x'",
        "DELETE FROM skill_level",
        "SELECT 1 FROM walk",
        "SELECT 1 FROM erasure",
        "SELECT 1 FROM erasure_receipt",
        "INSERT INTO rule_book SELECT * FROM rule_book",
        "TRUNCATE completion",
        "SELECT 1 FROM learner FOR UPDATE",
        "CREATE SCHEMA mine",
        "SELECT nextval('outbox_id_seq')",
        "SET ROLE progress_worker",
        "COPY completion TO '/tmp/completions'",
    ),
}


@pytest.mark.parametrize("role", REFUSED)
def test_all_else_is_refused(migrated_database: Database, role: str) -> None:
    url = migrated_database.worker_url if role == WORKER_ROLE else migrated_database.view_url
    for statement in REFUSED[role]:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(url, statement)


def test_a_migration_takes_back_what_was_too_much(migrated_database: Database) -> None:
    url = migrated_database.owner_url
    execute(url, "GRANT ALL ON completion, outbox TO progress_worker, progress_view")
    migrate(url)
    test_every_privilege_is_a_needed_one(migrated_database)
