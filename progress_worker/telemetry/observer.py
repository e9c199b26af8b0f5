"""What is told the steps of the worker's work: metrics, and tracing where that is on.

Each step is a value of a class of its own, which stands in the package that does the work. There
are a few of them for each batch, and none for each event.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol


class Observer(Protocol):
    """Is told steps, and ignores those that it does not know. Raises nothing."""

    def around(self, step: object) -> AbstractContextManager[None]:
        """Surrounds a step. What is done meanwhile in the same task is part of it."""

    def done(self, step: object) -> None:
        """A step succeeded."""


class Observers:
    """Tells several observers, in their order."""

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
