"""A process with a terminal of its own, on which a test reads and types."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Makes the terminal the controlling terminal of the new session, so that Ctrl+C sends a signal. With -S, because only
# the command's coverage is measured, and to start that takes 0.1 s.
_SET_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def wait_until_blocked(pid: int) -> None:
    """Wait until every thread of the process sleeps: a prompt is shown a moment before its thread reads.

    Python loses a signal that arrives in between until the next one. No person is that fast.
    """
    tasks = Path(f"/proc/{pid}/task")
    deadline = time.monotonic() + 60
    quiet = 0
    while tasks.exists() and quiet < 3 and time.monotonic() < deadline:
        states = [path.read_text().rpartition(")")[2].split()[0] for path in tasks.glob("*/stat")]
        quiet = quiet + 1 if set(states) == {"S"} else 0
        time.sleep(0.02)


class PseudoTerminal:
    """A running command. `shown` is what its terminal shows."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> None:
        self.shown = ""
        self._master, self._slave = pty.openpty()
        self._attributes = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", _SET_TERMINAL, *command],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={"TERM": "xterm", **environment},
            cwd=directory,
            start_new_session=True,
        )

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            self._read()

    def wait_for_prompt(self, text: str) -> None:
        self.wait_for(text)
        end = time.monotonic() + 60
        while self.echoes:
            assert time.monotonic() < end, "echo was not turned off"
            time.sleep(0.01)
        wait_until_blocked(self.process.pid)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def exit_code(self, within: float = 60) -> int | None:
        """Return the exit code, or None if the process does not end."""
        end = time.monotonic() + within
        while self.process.poll() is None and time.monotonic() < end:
            self._read()
        while self._read():
            pass
        return self.process.poll()

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    @property
    def is_restored(self) -> bool:
        """Whether the settings of the terminal are those from before the command."""
        return termios.tcgetattr(self._slave) == self._attributes

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        os.close(self._master)
        os.close(self._slave)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.05)[0]:
            return False
        self.shown += os.read(self._master, 65536).decode(errors="replace").replace("\r\n", "\n")
        return True
