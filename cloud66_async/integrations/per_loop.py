"""Connections of each event loop of each process."""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Generic, TypeVar

from .._core.loop import running_loop

__all__ = ["PerLoop"]

_T = TypeVar("_T")

# Connections of parent processes. They are never deleted: a finalizer in the child would end them for the parent, too,
# because parent and child share their sockets and the selector that waits for them.
_INHERITED: list[object] = []


class PerLoop(Generic[_T]):
    """One object for each event loop, because connections work in the loop that opened them only.

    `open` creates the object for a loop. After a fork, the child creates its own.
    """

    def __init__(self, open: Callable[[], _T]) -> None:  # noqa: A002  (the verb for connections)
        self._open = open
        self._objects: dict[AbstractEventLoop, _T] = {}
        self._process = os.getpid()

    def get(self) -> _T:
        """Return the object of the running event loop. Raises ConfigError if there is none, for example under trio."""
        if self._process != os.getpid():
            _INHERITED.append(self._objects)
            self._objects, self._process = {}, os.getpid()
        loop = running_loop()
        found = self._objects.get(loop)
        if found is None:
            # Here, because the objects refer to their loops: a weak dictionary would keep both forever.
            for ended in [other for other in list(self._objects) if other.is_closed()]:  # other threads add theirs
                self._objects.pop(ended, None)
            found = self._objects[loop] = self._open()
        return found

    def pop(self) -> _T | None:
        """Remove and return the object of the running event loop, or None if there is none."""
        if self._process != os.getpid():
            return None
        return self._objects.pop(running_loop(), None)
