"""Observers of the worker's steps: metrics, and tracing if it is on.

Each kind of step has its own class in the package that does the work. There are a few steps for
each batch, and none for each event.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Protocol


class Observer(Protocol):
    """Takes note of steps, and ignores kinds that it does not know. Raises nothing."""

    def around(self, step: object) -> AbstractContextManager[None]:
        """A context around a step. What the same task does inside is part of the step."""

    def done(self, step: object) -> None:
        """Take note that a step succeeded."""


class DoneObserver:
    """An observer that only takes note of steps that succeeded."""

    def around(self, _step: object) -> AbstractContextManager[None]:
        """See Observer: nothing is done around a step."""
        return nullcontext()


class Observers:
    """Passes each step on to several observers, in their order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @contextmanager
    def around(self, step: object) -> Iterator[None]:
        """See Observer."""
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.around(step))
            yield

    def done(self, step: object) -> None:
        """See Observer."""
        for observer in self._observers:
            observer.done(step)
