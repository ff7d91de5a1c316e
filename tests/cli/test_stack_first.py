"""The option `--stack` before positional arguments."""

from __future__ import annotations

import pytest

from cloud66_async.cli.app import app
from cloud66_async.cli.stack_first import stack_first


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("services scale -s web worker 3", "services scale web worker 3"),
        ("services scale worker 3 --stack web -e production", "services scale web worker 3 -e production"),
        ("services scale --stack=web worker 3", "services scale web worker 3"),
        ("services -s web", "services web"),
        ("jobs run -s web report --arg a", "jobs run web report --arg a"),
        ("jobs run -s web -- -s x", "jobs run web -- -s x"),
        ("redeploy -s web -s api --yes", "redeploy web api --yes"),
        ("services scale web worker 3", "services scale web worker 3"),
        ("services -s", "services -s"),
        ("services -s --json", "services -s --json"),
        ("quota -s web", "quota -s web"),
        ("-s web", "-s web"),
    ],
)
def test_stack_moves_to_its_position(typed: str, meant: str) -> None:
    assert stack_first(app, typed.split()) == meant.split()
