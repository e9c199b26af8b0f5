"""The same load twice: HTTP requests by wrk, and their query through bare psycopg."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from sqlalchemy import Select, create_engine

from bench.watch import TrialError

_CONNECT_SECONDS = 10
_GRACE_SECONDS = 30.0
_HUNDREDTHS = 100

_SCRIPT = """
local headers = require("headers")
local requests, place = {}, 0
function init()
  for number, header in ipairs(headers) do requests[number] = wrk.format(nil, nil, header) end
end
function request()
  place = place % #requests + 1
  return requests[place]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Answers a second, and how long one took, in milliseconds."""

    rate: float
    p50: float
    p99: float


def median(loads: Sequence[Load]) -> Load:
    """The load of the round with the middle rate."""
    rate = statistics.median_low([load.rate for load in loads])
    return next(load for load in loads if load.rate == rate)


def load_by_wrk(
    wrk: str, url: str, headers: Sequence[Mapping[str, str]], connections: int, seconds: float
) -> Load:
    """Ask for the address with one set of headers after the other; raises TrialError on errors."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "load.lua").write_text(_SCRIPT)
        (directory / "headers.lua").write_text(_lua(headers))
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", "load.lua", url]
        done = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=seconds + _GRACE_SECONDS,
            check=True,
        )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    requests, microseconds, p50, p99, errors = map(int, line.split()[1:])
    if errors:
        raise TrialError(f"{errors} of {requests} requests of {url} failed")
    return Load(requests / microseconds * 1e6, p50 / 1e3, p99 / 1e3)


async def load_by_psycopg(
    url: str,
    statement: Select[Any],
    parameters: Sequence[dict[str, object]],
    connections: int,
    seconds: float,
) -> Load:
    """Run the prepared statement with one set of parameters after the other."""
    compiled = statement.compile(create_engine("postgresql+psycopg://"))
    query = str(compiled).encode()
    latencies: list[float] = []
    places = count()
    began = time.perf_counter()

    async def client() -> None:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, prepare_threshold=0, connect_timeout=_CONNECT_SECONDS
        ) as connection:
            while (start := time.perf_counter()) < began + seconds:
                values = compiled.params | parameters[next(places) % len(parameters)]
                await (await connection.execute(query, values)).fetchone()
                latencies.append(time.perf_counter() - start)

    async with asyncio.timeout(seconds + _GRACE_SECONDS):
        await asyncio.gather(*(client() for _ in range(connections)))
    lasted = time.perf_counter() - began
    shares = statistics.quantiles(latencies, n=_HUNDREDTHS)
    return Load(len(latencies) / lasted, shares[49] * 1e3, shares[98] * 1e3)


def _lua(headers: Sequence[Mapping[str, str]]) -> str:
    """A table for Lua, whose strings are written as JSON writes plain ASCII."""
    rows = (
        ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in header.items())
        for header in headers
    )
    return "return {" + ", ".join(f"{{{row}}}" for row in rows) + "}"
