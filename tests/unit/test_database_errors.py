"""What each of Postgres's errors means for the work in hand: all of them, by their SQLSTATE."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from progress_worker.errors import (
    FatalError,
    LockedError,
    PoisonError,
    TooSlowError,
    TransientError,
)
from progress_worker.storage.database import translate

CLASSES = sorted(
    {
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, psycopg.Error) and found.sqlstate
    },
    key=lambda found: str(found.sqlstate),
)

#: By the first two characters: values and constraints; what is missing, unknown or refused.
POISON = ("22", "23")
FATAL = ("0A", "10", "20", "21", "34", "3D", "3F", "42", "44", "P0")
TRANSIENT = {"57014": TooSlowError, "55P03": LockedError}
#: Prepared statements, which are a session's.
OF_A_SESSION = ("26000", "42P05")


def meaning(error: type[psycopg.Error]) -> type[Exception]:
    state = str(error.sqlstate)
    if state.startswith(POISON):
        return PoisonError
    if state.startswith(FATAL) and state not in OF_A_SESSION:
        return FatalError
    return TRANSIENT.get(state, TransientError)


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: f"{error.sqlstate}-{error.__name__}")
def test_what_an_error_means(error: type[psycopg.Error]) -> None:
    assert type(translate(error("a text that may hold values"))) is meaning(error)


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ("08006", "ConnectionFailure"),
        ("25006", "ReadOnlySqlTransaction"),
        ("25P03", "IdleInTransactionSessionTimeout"),
        ("40001", "SerializationFailure"),
        ("40P01", "DeadlockDetected"),
        ("53100", "DiskFull"),
        ("53200", "OutOfMemory"),
        ("53300", "TooManyConnections"),
        # Also what Postgres answers to everybody while it is out of transaction ids. No record that
        # keeps the contract is too large for an index.
        ("54000", "ProgramLimitExceeded"),
        ("55P03", "LockNotAvailable"),
        ("57P01", "AdminShutdown"),
        ("57P02", "CrashShutdown"),
        ("57P03", "CannotConnectNow"),
        ("58030", "IoError"),
        ("XX000", "InternalError_"),
        ("XX001", "DataCorrupted"),
    ],
)
def test_what_passes_is_waited_for(state: str, name: str) -> None:
    translated = translate(errors.lookup(state)("a text that may hold values"))
    assert type(translated) in {TransientError, LockedError}
    assert str(translated) == f"Postgres: {name} {state}"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.OperationalError("the connection is closed"), TransientError),
        (psycopg.InterfaceError("the connection is closed"), TransientError),
        (errors.PipelineAborted("pipeline aborted"), TransientError),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), PoisonError),
        (psycopg.ProgrammingError("the query has 2 placeholders but 1 was passed"), FatalError),
    ],
)
def test_what_the_driver_says_by_itself(error: psycopg.Error, expected: type[Exception]) -> None:
    assert type(translate(error)) is expected


@pytest.mark.parametrize("error", [errors.UndefinedTable, errors.UndefinedColumn])
def test_what_a_migration_mends_is_said(error: type[psycopg.Error]) -> None:
    assert str(translate(error())).endswith("run `progress-worker migrate`.")
