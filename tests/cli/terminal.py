"""The command line on a terminal with a given number of columns."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from cloud66_async.sandbox import SandboxServer

from .conftest import PROGRAM, Terminal

pytest.importorskip("termios")

from ..pseudo_terminal import PseudoTerminal

__all__ = ["PseudoTerminal", "Shown", "access_to", "on_terminal", "run_on_terminal"]

# Sets the size before the program starts, which reads it at its first table.
_SET_SIZE = 'stty columns "$1" rows "$2"; shift 2; exec "$@"'
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Shown(NamedTuple):
    """What a terminal showed until the command ended, and its exit code. `raw` has the codes of the terminal."""

    raw: str
    exit_code: int

    @property
    def text(self) -> str:
        """What a person reads. Lines that were drawn anew occur each time."""
        return _CODES.sub("", self.raw)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def access_to(server: SandboxServer) -> dict[str, str]:
    """Return the environment of a program that is logged in to this sandbox."""
    return {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal()}


@contextmanager
def on_terminal(
    columns: int,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    home: Path | None = None,
    rows: int = 40,
) -> Generator[PseudoTerminal]:
    """Start a command on a terminal of its own: the test reads, types, and waits for the exit code.

    `home` is the home and current directory of the command. The default is a new, empty one.
    """
    with tempfile.TemporaryDirectory() as empty:
        terminal = Terminal(home or Path(empty))
        del terminal.environment["COLUMNS"]  # it would come before the size of the terminal
        command = ["/bin/sh", "-c", _SET_SIZE, "sh", str(columns), str(rows), *PROGRAM, *arguments]
        started = PseudoTerminal(
            command, environment={**terminal.environment, **(environment or {})}, directory=terminal.home
        )
        try:
            yield started
        finally:
            started.close()


def run_on_terminal(
    columns: int, *arguments: str, environment: Mapping[str, str] | None = None, home: Path | None = None
) -> Shown:
    """Run a command on a terminal with this number of columns, and return what was shown and its exit code."""
    with on_terminal(columns, *arguments, environment=environment, home=home) as started:
        code = started.exit_code()
        assert code is not None, started.shown
        return Shown(started.shown, code)
