"""The image: its Dockerfile has no lint, and its bill of materials lists all that is in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "deploy" / "requirements.lock"
TOOL = ROOT / "build" / "sbom"
SECONDS = 120.0


def test_the_dockerfile_has_no_lint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = _run(hadolint, ROOT / "deploy" / "Dockerfile")
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def bill() -> bytes:
    """What `make sbom` writes, with the tool that it installed at an earlier run."""
    if not (TOOL / ".installed").exists():
        pytest.skip("`make sbom` has not installed its tool yet")
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    done = _run(make, "--directory", ROOT, "sbom")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return (ROOT / "build" / "sbom.cdx.json").read_bytes()


def test_the_bill_is_valid_cyclonedx(bill: bytes) -> None:
    schemas = next(TOOL.glob("lib/python*/site-packages/cyclonedx/schema/_res"))
    document = json.loads(bill)
    base, _, _ = document["$schema"].rpartition("/")
    named = {
        f"{base}/{path.name}": Resource.from_contents(json.loads(path.read_bytes()))
        for path in schemas.glob("*.schema.json")
    }
    schema = named[f"{base}/bom-{document['specVersion']}.SNAPSHOT.schema.json"].contents
    jsonschema.Draft7Validator(schema, registry=Registry().with_resources(named.items())).validate(
        document
    )


def test_the_bill_lists_every_locked_package(bill: bytes) -> None:
    document = json.loads(bill)
    locked = dict(re.findall(r"^([a-z0-9.-]+)==([\w.!+]+)", LOCK.read_text(), re.MULTILINE))
    listed: dict[str, dict[str, Any]] = {part["name"]: part for part in document["components"]}
    assert {name: part["version"] for name, part in listed.items()} == locked
    for name, part in listed.items():
        assert part["purl"] == f"pkg:pypi/{name}@{locked[name]}"
    assert document["metadata"]["component"]["name"] == "progress-worker"


def test_the_bill_holds_nothing_that_differs_between_two_runs(bill: bytes) -> None:
    assert not {"serialNumber", "timestamp"} & set(re.findall(r'"(\w+)":', bill.decode()))


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
