"""The command `demo`, which is the first command of the README."""

from __future__ import annotations

import re

import pytest

from .conftest import Terminal


@pytest.mark.parametrize(("options", "encoding"), [((), "form-encoded"), (("--json",), "JSON")])
def test_demo_logs_in_fetches_every_stack_and_redeploys_one(
    terminal: Terminal, options: tuple[str, ...], encoding: str
) -> None:
    done = terminal.run("demo", "--latency", "0.005", *options)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert f"code exchanged for a {encoding} token response" in text
    assert text.count("Login ") == 1
    assert "Scopes    public redeploy" in text
    assert "600 of 600 stacks by uid" in text
    assert "600 stacks on 20 pages" in text
    opened = re.search(r"(\d+) connections opened for (\d+) requests", text)
    assert opened is not None
    assert 1 < int(opened[1]) <= 32
    # login page, consent and token; 20 pages; 20 calls of the sample; 600 stacks
    assert int(opened[2]) == 3 + 20 + 20 + 600
    assert "2960 of 3600 requests remaining this hour" in text
    assert re.search(r"Estimate  [\d.]+ s one by one", text) is not None
    redeployed = (
        r"^Redeploy  billing-api/production\n  Action (\d+): running\n  Action \1: succeeded \(took [\d.]+ s\)$"
    )
    assert re.search(redeployed, text, re.MULTILINE) is not None
    assert "━" not in text, "progress bar in a pipe"
    assert "\x1b" not in text + done.stderr


def test_totals_of_the_table_add_up(terminal: Terminal) -> None:
    done = terminal.run("demo", "--stacks", "75", "--latency", "0")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.partition("Stacks by environment and health")[2].strip().splitlines()
    header, *rows = [line.split() for line in lines[: next(i for i, line in enumerate(lines) if not line.strip())]]
    numbers = {row[0]: [0 if cell == "-" else int(cell) for cell in row[1:]] for row in rows}
    assert header[-1] == "total"
    assert "production" in numbers
    assert numbers["total"][-1] == 75
    for row in numbers.values():
        assert sum(row[:-1]) == row[-1]
    parts = [row for name, row in numbers.items() if name != "total"]
    assert [sum(column) for column in zip(*parts, strict=True)] == numbers["total"]


def test_missing_extra_is_reported_on_one_line(terminal: Terminal) -> None:
    done = terminal.run("demo", environment={"PYTHONPATH": str(_without(terminal, "uvicorn"))})
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "cloud66-async[sandbox]" in done.stderr
    assert "Traceback" not in done.stderr


def _without(terminal: Terminal, module: str) -> str:
    """Return a folder for PYTHONPATH that makes the import of `module` fail."""
    folder = terminal.home / "blocked"
    folder.mkdir()
    (folder / f"{module}.py").write_text(f"raise ModuleNotFoundError(name={module!r})\n")
    return str(folder)
