"""Fuzzes the decoder, guided by the code that each record reaches: `make fuzz`.

Its arguments are libFuzzer's. A record that breaks a promise is printed, and written as a file that
may be given as an argument to try it again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import atheris

from tests.fuzz.inputs import DICTIONARY, made, packed
from tests.harness.poison import hostile_records

# The plain reader too: it shows the fuzzer rules that the decoder checks in Rust.
with atheris.instrument_imports(include=["progress_worker", "tests.fuzz"]):
    from tests.fuzz.checking import check


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Another input: half are new events, half are changed bytes, which mostly break the JSON."""
    random = Random(seed)
    if random.random() < 0.5:
        return made(random)[:max_size]
    changed: bytes = atheris.Mutate(data, max_size)
    return changed


def main() -> None:
    """Fuzz, starting from the hostile records."""
    with TemporaryDirectory() as directory:
        seeds = Path(directory) / "seeds"
        seeds.mkdir()
        for number, record in enumerate(hostile_records()):
            (seeds / str(number)).write_bytes(packed(record.wire))
        words = Path(directory) / "dictionary"
        words.write_text(DICTIONARY)
        arguments = [f"-dict={words}", "-max_len=4096", *sys.argv[1:]]
        atheris.Setup([sys.argv[0], *arguments, str(seeds)], check, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
