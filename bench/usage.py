"""The processor time and the memory of the processes that take part in a measurement."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds of processor time since the start; `machine` is everything on this machine."""

    workers: float
    postgres: float
    broker: float
    bench: float
    machine: float

    def since(self, earlier: ProcessorTime) -> ProcessorTime:
        """What was used between the two."""
        return ProcessorTime(
            self.workers - earlier.workers,
            self.postgres - earlier.postgres,
            self.broker - earlier.broker,
            self.bench - earlier.bench,
            self.machine - earlier.machine,
        )

    @property
    def others(self) -> float:
        """The processor time of everything that took no part in the measurement."""
        return max(0.0, self.machine - self.workers - self.postgres - self.broker - self.bench)


class Usage:
    """Reads the processor time and memory of these processes and their children."""

    def __init__(self, workers: Sequence[int], postgres: int, broker: int) -> None:
        self._workers = [psutil.Process(pid) for pid in workers]
        self._postgres = psutil.Process(postgres)
        self._broker = psutil.Process(broker)
        self._bench = psutil.Process(os.getpid())

    def processor_time(self) -> ProcessorTime:
        """The processor time until now; takes some milliseconds."""
        return ProcessorTime(
            workers=sum(_with_children(worker) for worker in self._workers),
            postgres=_with_children(self._postgres),
            broker=_with_children(self._broker),
            bench=_own(self._bench),
            machine=_machine(),
        )

    def resident_bytes(self) -> int:
        """The resident memory of the largest worker now."""
        return max(int(worker.memory_info().rss) for worker in self._workers)


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _with_children(process: psutil.Process) -> float:
    """Once a parent has noticed a child's end, its own figures include the child's."""
    used = _own(process)
    ended = process.cpu_times()
    used += getattr(ended, "children_user", 0.0) + getattr(ended, "children_system", 0.0)
    for child in process.children(recursive=True):
        try:
            used += _own(child)
        except psutil.NoSuchProcess:
            continue  # it ended just now, and its parent's figures include it
    return used


def _machine() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - _counted_twice(times))


def _counted_twice(times: object) -> float:
    """Linux counts the time of virtual machines in `user` as well."""
    return float(getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0))
