"""A command of the command line in a pipe, and what it changes at a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud66_async.sandbox import FakeCloud66

from .conftest import Terminal

__all__ = ["Piped"]


class Piped:
    """Runner of one command. `out` and `err` are what it printed last."""

    def __init__(self, command: str, terminal: Terminal, fake: FakeCloud66, access: Mapping[str, str]) -> None:
        self._command, self._terminal, self._fake, self._access = command, terminal, fake, access
        self._before = len(fake.requests)
        self.out = self.err = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run the command, which ends with this exit code, and return what it prints on standard output."""
        done = self._terminal.run(self._command, *arguments, environment=self._access)
        self.out, self.err = done.stdout, done.stderr
        assert done.returncode == code, done.stderr
        return done.stdout

    @property
    def changes(self) -> list[tuple[str | None, dict[str, Any]]]:
        """What it has changed: commands of actions, or operations, with their parameters."""
        sent = [request for request in self._fake.requests[self._before :] if request.is_write]
        return [(request.parameters.get("command", request.operation), dict(request.parameters)) for request in sent]
