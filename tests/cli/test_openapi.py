"""The command `openapi`."""

from __future__ import annotations

import json

from cloud66_async.openapi import openapi

from .conftest import Terminal


def test_document_is_printed(terminal: Terminal) -> None:
    done = terminal.run("openapi")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == openapi()
    assert done.stderr == ""


def test_document_is_written_to_a_file(terminal: Terminal) -> None:
    done = terminal.run("openapi", "--output", "api.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((terminal.home / "api.json").read_text(encoding="utf-8")) == openapi()


def test_file_that_cannot_be_written_is_an_error(terminal: Terminal) -> None:
    done = terminal.run("openapi", "--output", "missing/api.json")
    assert done.returncode == 1
    assert done.stderr == "error: cannot write 'missing/api.json': No such file or directory; choose another file\n"
