"""The runbook's logins and rights in Kafka, and the change from one login to the next."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from progress_worker.embedded.database import Database
from progress_worker.generator.wire import Wire
from tests.harness.apache_kafka import Cluster, Security, cluster_or_skip
from tests.harness.certificates import Authority
from tests.harness.deploying import deploy
from tests.harness.runbook import command, commands, sections
from tests.harness.terminal import Terminal
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess

pytestmark = [pytest.mark.integration, pytest.mark.faults]

ROTATE, RIGHTS = "Rotate keys and passwords", "Grant rights in Kafka"
HOST, USER, NEXT_USER, ADMINISTRATOR = "localhost", "progress", "progress-b", "administrator"
PASSWORD, NEXT_PASSWORD = "a-password", "another-password"


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Cluster]:
    """One node of Apache Kafka that takes users by SCRAM over TLS and asks what each may do."""
    authority = Authority(tmp_path)
    users = dict.fromkeys((USER, ADMINISTRATOR), PASSWORD)
    security = Security(authority.issue(HOST), authority.file, HOST, users, ADMINISTRATOR)
    yield from cluster_or_skip(security=security)


def login(user: str, password: str) -> dict[str, str]:
    return {"KAFKA_SASL_USERNAME": user, "KAFKA_SASL_PASSWORD": password}


class Administration(Terminal):
    """A terminal whose Kafka tools log in as the page says."""

    def __init__(self, deployment: Deployment) -> None:
        variables = deployment.environment()
        address = variables["KAFKA_BOOTSTRAP"]
        super().__init__(deployment.directory, variables, kafka=True, KAFKA=address)
        (text,) = re.findall(r"```properties\n(.*?)```", sections()["Encrypt"], re.DOTALL)
        authority = variables["KAFKA_SSL_CA_FILE"]
        for blank in (("…", ADMINISTRATOR), ("…", PASSWORD), ("/path/ca.pem", authority)):
            text = text.replace(*blank, 1)
        self._login = deployment.directory / "kafka.properties"
        self._login.write_text(text)
        self._names = {
            "progress-worker": deployment.group,
            "exercise-completed": deployment.completed,
            "progress-commands": deployment.commands,
            "achievement-unlocked": deployment.unlocked,
            "skill-level-changed": deployment.levels,
            "learner-streaks": deployment.streaks,
            "achievement-changes": deployment.changes,
            "learner-erased": deployment.erased,
        }

    def administer(self, typed: str) -> str:
        with_login = f"--command-config {self._login} --bootstrap-server"
        return self.run(typed.replace("--bootstrap-server", with_login))

    def grant(self, user: str) -> None:
        """Grant everything that the page grants to a worker's user."""
        for line in (c.text for c in commands() if c.section == RIGHTS):
            ours = line.replace(f"User:{USER}", f"User:{user}")
            for example, name in self._names.items():
                ours = ours.replace(example, name)
            self.administer(ours)


async def test_users_take_turns_with_no_more_rights_than_the_page_gives(
    kafka: Cluster, migrated_database: Database, tmp_path: Path
) -> None:
    deployment = await deploy(kafka.bootstrap, migrated_database, tmp_path, idempotent=True)
    traffic = Traffic(deployment, seed=1, count=1_000)  # comes by the port without logins
    deployment.variables |= {
        "KAFKA_BOOTSTRAP": f"{HOST}:{kafka.nodes[0].scram_port}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SSL_CA_FILE": str(tmp_path / "authority.pem"),
    } | login(USER, PASSWORD)
    before, terminal = deployment.environment(), Administration(deployment)
    terminal.administer(may_only_read(deployment.completed))
    untold = (
        f"Kafka does not describe the topic {deployment.completed}: Returned by the broker when "
        "the client is not authorized"
    )
    assert untold in terminal.attempt("progress-worker topics check").stdout
    terminal.grant(USER)
    sending = asyncio.create_task(traffic.send(rate=60))
    async with deployment.worker() as old:
        terminal.administer(command(ROTATE, "--add-config", {"…": NEXT_PASSWORD}))
        terminal.grant(NEXT_USER)
        deployment.variables |= login(NEXT_USER, NEXT_PASSWORD)
        terminal.variables = deployment.environment()
        terminal.run(command(ROTATE, "doctor"))
        async with deployment.worker() as new:
            assert await old.terminate() == 0
            terminal.administer(command(ROTATE, "--delete-config"))
            await sending
            assert await traffic.differences() == []
            await recalculates(deployment, new)
            listed = terminal.run("progress-worker dlq list")
            assert re.search(r"^[1-9]\d* dead letters", listed, re.MULTILINE)
            terminal.variables = before
            assert "refuses the SASL user" in terminal.attempt("progress-worker doctor").stdout
            assert await new.terminate() == 0
    assert "Authorization" not in old.said() + new.said()
    assert "SaslAuthentication" not in old.said() + new.said()


def may_only_read(topic: str) -> str:
    server = "kafka-acls.sh --bootstrap-server $KAFKA"
    return f"{server} --add --allow-principal User:{USER} --operation Read --topic {topic}"


async def recalculates(deployment: Deployment, worker: WorkerProcess) -> None:
    await deployment.kafka.publish(deployment.commands, [Wire(None, b'{"user_id": "ada"}', ())])
    await wait_until(lambda: worker.has_said("recalculated"), "a command is carried out")
