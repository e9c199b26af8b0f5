"""No secret leaves the process: logs, metrics, answers, errors, command lines are searched."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from traceback import format_exception
from typing import Final
from urllib.parse import quote

import httpx
import psutil
import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.errors import ConfigurationError
from progress_worker.http.security.authentication import mint_token
from progress_worker.settings.migration import load_migration_settings
from progress_worker.settings.view import load_token_settings, load_view_settings
from progress_worker.settings.worker import load_settings
from tests.harness.deploying import deploy
from tests.harness.events import completed
from tests.harness.view import ViewProcess
from tests.harness.waiting import wait_until
from tests.harness.worker import COMMAND, FAUST, WORKER, Deployment, run_command

pytestmark = pytest.mark.integration

#: Ends of every secret, so that a piece of one is found too.
MARKS: Final = ("Hedgehog", "Nightjar")


def secret() -> str:
    return f"{MARKS[0]}-{secrets.token_hex(16)}-{MARKS[1]}"


PASSWORD, SASL_PASSWORD, JWT_SECRET = secret(), secret(), secret()
TOKENS: Final = {
    "JWT_ISSUER": "https://issuer.test",
    "JWT_AUDIENCE": "progress",
    "JWT_SECRET": JWT_SECRET,
}


def nothing_leaks(*texts: str) -> None:
    """Raises AssertionError where one of them holds a piece of a secret."""
    for text in texts:
        assert not re.search("|".join(MARKS), text, re.IGNORECASE), text


def with_password(url: str, password: str = PASSWORD) -> str:
    """The address with a password, which a server that trusts does not look at."""
    return re.sub(r"//(\w+)@", rf"//\1:{quote(password, safe='')}@", url)


@pytest.fixture
async def deployment(broker: Broker, migrated_database: Database, tmp_path: Path) -> Deployment:
    """A deployment full of secrets, which logs as much as it can."""
    database = migrated_database
    made = await deploy(broker.bootstrap, database, tmp_path, idempotent=False)
    made.variables |= TOKENS | {
        "DATABASE_URL": with_password(database.worker_url),
        "VIEW_DATABASE_URL": with_password(database.view_url),
        "KAFKA_SASL_USERNAME": "progress",
        "KAFKA_SASL_PASSWORD": SASL_PASSWORD,
        "LOG_LEVEL": "debug",
    }
    return made


def command_lines(*pids: int) -> Iterator[str]:
    """The command lines of the processes and their children, as anybody may read them."""
    for pid in pids:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            yield Path(f"/proc/{each.pid}/cmdline").read_text()


async def test_a_worker_and_a_view_at_work(deployment: Deployment) -> None:
    settings = load_token_settings(**{name.lower(): text for name, text in TOKENS.items()})
    token = mint_token(settings, "user-1")
    answers: list[str] = []
    async with (
        deployment.worker(WORKER) as worker,
        ViewProcess(deployment.environment(), deployment.directory, (*COMMAND, "api")) as view,
        httpx.AsyncClient(timeout=10) as client,
    ):
        await deployment.publish(completed("user-1"), completed("user-2", grade=101))
        await deployment.kafka.read(deployment.dead_letters, 1)
        for path in ("/metrics", "/readyz", "/livez", "/nowhere"):
            answer = await worker.get(path)
            assert answer is not None
            answers += [answer.text, repr(answer.headers)]
        for credentials in (token, token[:-4], JWT_SECRET, "a.b.c"):
            for path in ("/api/progress", "/metrics", "/readyz", "/openapi.json", "/nowhere", "/"):
                given = {"Authorization": f"Bearer {credentials}"}
                answer = await client.get(view.url + path, headers=given)
                answers += [answer.text, repr(answer.headers)]
        lines = list(command_lines(worker.process.pid, view.process.pid))
        assert await worker.terminate() == 0
    nothing_leaks(worker.said(), view.said(), *answers, *lines)
    assert token not in worker.said() + view.said()
    assert '"level": "debug"' in worker.said()


#: Settings that are refused as soon as they are read; `{}` is the secret.
REFUSED: Final = (
    {"DATABASE_URL": "{}"},
    {"DATABASE_URL": "mysql://w:{}@h/p"},
    {"DATABASE_URL": "postgresql://w:a/{}@h/p"},
    {"DATABASE_URL": "postgresql://w:a%{}@h/p"},
    {"KAFKA_SECURITY_PROTOCOL": "{}"},
    {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": ""},
    {"KAFKA_SASL_MECHANISM": "{}"},
    {"LANES": "{}"},
    {"JWT_SECRET": "{}"},
    {"JWT_JWKS_URL": "{}"},
)


@pytest.mark.parametrize("changes", REFUSED, ids=str)
def test_settings_that_are_refused_are_not_told(
    deployment: Deployment, changes: dict[str, str]
) -> None:
    told = {name: text.replace("{}", MARKS[0]) for name, text in changes.items()}
    variables = deployment.environment(**told, VIEW_DEVELOPMENT_LOGIN="no")
    settings: dict[str, object] = {name.lower(): text for name, text in variables.items()}
    errors = []
    for load in (load_settings, load_view_settings, load_migration_settings):
        try:
            load(**settings)
        except ConfigurationError as error:
            errors.append("".join(format_exception(error)))
    assert errors
    nothing_leaks(*errors)


async def test_a_worker_that_is_refused_everywhere(deployment: Deployment) -> None:
    """Kafka knows no SASL here, and there is no such role."""
    role = deployment.database.worker_url.replace("progress_worker", "nobody")
    changes = {
        "DATABASE_URL": with_password(role),
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_REQUEST_TIMEOUT_SECONDS": "3",
    }
    variables = deployment.environment(**changes)
    for arguments in (("worker",), ("doctor",), ("migrate",), ("topics", "check"), ("dlq", "list")):
        done = run_command(variables, *arguments)
        assert done.returncode == 1, done.stdout
        nothing_leaks(done.stdout, done.stderr)


async def test_a_worker_and_a_view_without_their_postgres(deployment: Deployment) -> None:
    url = f"postgresql://w:{PASSWORD}@nowhere.invalid/progress"
    deployment.variables |= {"DATABASE_URL": url, "VIEW_DATABASE_URL": url}
    async with (
        deployment.worker(FAUST, await_ready=False) as worker,
        ViewProcess(deployment.environment(), deployment.directory, await_ready=False) as view,
    ):
        await wait_until(lambda: worker.has_said("transient_failure"), "it complains")
        await wait_until(lambda: refuses(view), "it refuses")
    nothing_leaks(worker.said(), view.said())


async def refuses(view: ViewProcess) -> bool:
    """Whether the view answers that it has no Postgres."""
    async with httpx.AsyncClient(timeout=10) as client:
        try:
            answer = await client.get(f"{view.url}/readyz")
        except httpx.TransportError:
            return False
    nothing_leaks(answer.text)
    return answer.status_code == 503
