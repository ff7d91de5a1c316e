"""The command `sandbox`."""

from __future__ import annotations

import re
import signal
import subprocess

from .conftest import PROGRAM, TIMEOUT, Terminal


def test_sandbox_prints_how_to_connect_and_stops_on_ctrl_c(terminal: Terminal) -> None:
    with subprocess.Popen(
        [*PROGRAM, "sandbox", "--port", "0", "--stacks", "3"],
        env=terminal.environment | {"PYTHONUNBUFFERED": "1"},
        cwd=terminal.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while "client_id=" not in printed:
                line = process.stdout.readline()
                assert line, printed
                printed += line
            settings = dict(re.findall(r"(CLOUD66_\w+)=(\S+)", printed))
            listed = terminal.run("stacks", environment=settings)
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=TIMEOUT)[1]
        finally:
            process.kill()
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.strip().endswith("3 stacks")
    assert process.returncode == 130
    assert errors == "Interrupted\n"
