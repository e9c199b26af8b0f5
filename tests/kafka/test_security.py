"""SCRAM over TLS against Apache Kafka: everything works, and each mistake gets a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.generator.wire import Wire
from tests.harness.apache_kafka import Cluster, Security, cluster_or_skip
from tests.harness.certificates import Authority
from tests.harness.deploying import deploy
from tests.harness.events import completed
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, run_command

pytestmark = pytest.mark.integration

HOST = "localhost"
USER = "progress"
PASSWORD = "distinctive-Kafka-password"
WRONG_PASSWORD = "distinctive-wrong-password"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signed the broker's certificate."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def cluster(authority: Authority) -> Iterator[Cluster]:
    """One node with a port for one user by SCRAM and a port for clients with certificates."""
    security = Security(authority.issue(HOST), authority.file, HOST, {USER: PASSWORD})
    yield from cluster_or_skip(security=security)


@pytest.fixture
async def deployment(
    cluster: Cluster, authority: Authority, migrated_database: Database, tmp_path: Path
) -> Deployment:
    """A deployment that speaks SCRAM over TLS, without a worker."""
    made = await deploy(cluster.bootstrap, migrated_database, tmp_path, idempotent=True)
    made.variables |= {
        "KAFKA_BOOTSTRAP": f"{HOST}:{cluster.nodes[0].scram_port}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SSL_CA_FILE": str(authority.file),
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": PASSWORD,
    }
    return made


@pytest.fixture
def by_certificate(cluster: Cluster, authority: Authority) -> dict[str, str]:
    """The settings of a client that logs in by its certificate."""
    own = authority.issue("a-worker")
    return {
        "KAFKA_BOOTSTRAP": f"{HOST}:{cluster.nodes[0].mutual_port}",
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CERT_FILE": str(own.chain),
        "KAFKA_SSL_KEY_FILE": str(own.key),
    }


@pytest.mark.parametrize("way", ["SCRAM", "a certificate"])
async def test_a_worker_reads_publishes_and_takes_commands(
    deployment: Deployment, by_certificate: dict[str, str], way: str
) -> None:
    url = deployment.database.owner_url
    if way == "a certificate":
        deployment.variables |= by_certificate
    async with deployment.worker() as worker:
        await deployment.publish(completed("user-1"), Wire(b"user-1", b"broken", ()))
        (letter,) = await deployment.kafka.read(deployment.dead_letters, 1)
        assert letter.value == b"broken"
        assert await deployment.kafka.read(deployment.unlocked, 1)
        version = fetch(url, "SELECT version FROM learner")
        command = Wire(b"user-1", b'{"user_id": "user-1"}', ())
        await deployment.kafka.publish(deployment.commands, [command])

        async def recalculated() -> bool:
            return fetch(url, "SELECT version FROM learner") > version

        await wait_until(recalculated, "Faust's agent carries the command out")
        assert await worker.terminate() == 0
    assert PASSWORD not in worker.said()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256"])
def test_commands_speak_to_it_too(deployment: Deployment, mechanism: str) -> None:
    variables = deployment.environment(KAFKA_SASL_MECHANISM=mechanism)
    for arguments, told in (
        (("doctor",), f"Kafka answers at {variables['KAFKA_BOOTSTRAP']}"),
        (("topics", "create"), "All topics exist."),
        (("dlq", "list"), "0 dead letters."),
    ):
        done = run_command(variables, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert told in done.stdout
        assert PASSWORD not in done.stdout + done.stderr


#: What is wrong, and what is said then.
REFUSALS = {
    "the password": "the broker refuses the SASL user or its password",
    "the user": "the broker refuses the SASL user or its password",
    "the authority": "the broker's certificate is refused: ",
    "the host name": "certificate is not valid for '127.0.0.1'",
    "the port": "the broker ends the connection at once",
    "the protocol": "the broker ends the connection at once",
    "our certificate": "the broker ends the connection at once",
    "no certificate": "the broker ends the connection at once",
}


@pytest.fixture
def changes(
    cluster: Cluster, by_certificate: dict[str, str], tmp_path: Path
) -> dict[str, dict[str, str]]:
    """The settings of each refusal."""
    node, another = cluster.nodes[0], Authority(tmp_path, "another")
    not_ours = another.issue("a-worker")
    return {
        "the password": {"KAFKA_SASL_PASSWORD": WRONG_PASSWORD},
        "the user": {"KAFKA_SASL_USERNAME": "nobody"},
        "the authority": {"KAFKA_SSL_CA_FILE": str(another.file)},
        "the host name": {"KAFKA_BOOTSTRAP": f"{LOOPBACK}:{node.scram_port}"},
        "the port": {"KAFKA_BOOTSTRAP": f"{HOST}:{node.port}"},
        "the protocol": {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
        "our certificate": by_certificate
        | {"KAFKA_SSL_CERT_FILE": str(not_ours.chain), "KAFKA_SSL_KEY_FILE": str(not_ours.key)},
        "no certificate": {
            "KAFKA_BOOTSTRAP": by_certificate["KAFKA_BOOTSTRAP"],
            "KAFKA_SECURITY_PROTOCOL": "SSL",
        },
    }


@pytest.mark.parametrize("wrong", REFUSALS)
def test_a_refusal_is_one_sentence(
    deployment: Deployment, changes: dict[str, dict[str, str]], wrong: str
) -> None:
    done = run_command(deployment.environment(**changes[wrong]), "topics", "check")
    assert done.returncode == 1
    assert REFUSALS[wrong] in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert WRONG_PASSWORD not in done.stderr
    assert PASSWORD not in done.stderr


def test_a_worker_that_is_refused_says_why_and_ends(
    deployment: Deployment, changes: dict[str, dict[str, str]]
) -> None:
    done = run_command(deployment.environment(**changes["the password"]), "worker")
    assert done.returncode == 1
    assert done.stderr.endswith(f"{REFUSALS['the password']}.\n")
    assert len(done.stderr.splitlines()) == 1
    assert WRONG_PASSWORD not in done.stdout + done.stderr
