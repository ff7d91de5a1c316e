"""The README's first command: the main job from end to end."""

from __future__ import annotations

import re

import pytest

from .conftest import Terminal


@pytest.mark.parametrize(("options", "shape"), [((), "form-encoded"), (("--json",), "JSON")])
def test_the_demo_logs_in_reads_every_stack_over_one_pool_and_redeploys_one(
    terminal: Terminal, options: tuple[str, ...], shape: str
) -> None:
    done = terminal.run("demo", "--latency", "0.005", *options)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert f"code exchanged for a {shape} token answer" in text
    assert text.count("Login ") == 1
    assert "600 of 600 stacks by uid" in text
    assert "600 stacks on 20 pages" in text
    opened = re.search(r"(\d+) connections opened for (\d+) requests", text)
    assert opened is not None
    assert 1 < int(opened[1]) <= 32
    # consent page, button, token; 20 pages, 20 of the sample, 600 stacks
    assert int(opened[2]) == 3 + 20 + 20 + 600
    assert "2960 of 3600 requests are left" in text
    assert re.search(r"one at a time they would take [\d.]+ s", text) is not None
    assert re.search(r"action \d+: succeeded after [\d.]+ s", text) is not None
    assert "━" not in text, "a progress bar in a pipe"
    assert "\x1b" not in text + done.stderr


def test_the_table_of_environments_against_healths_adds_up(terminal: Terminal) -> None:
    done = terminal.run("demo", "--stacks", "75", "--latency", "0")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.partition("environment against health")[2].strip().splitlines()
    header, *rows = [line.split() for line in lines[: next(i for i, line in enumerate(lines) if not line.strip())]]
    numbers = {row[0]: [0 if cell == "·" else int(cell) for cell in row[1:]] for row in rows}
    assert header[-1] == "all"
    assert "production" in numbers
    assert numbers["all"][-1] == 75
    for row in numbers.values():
        assert sum(row[:-1]) == row[-1]
    parts = [row for name, row in numbers.items() if name != "all"]
    assert [sum(column) for column in zip(*parts, strict=True)] == numbers["all"]


def test_what_goes_wrong_is_one_clear_line_and_an_exit_code(terminal: Terminal) -> None:
    done = terminal.run("demo", environment={"PYTHONPATH": str(_without(terminal, "uvicorn"))})
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "cloud66-async[sandbox]" in done.stderr
    assert "Traceback" not in done.stderr


def _without(terminal: Terminal, module: str) -> str:
    """A folder for the path in which `module` cannot be imported."""
    folder = terminal.home / "blocked"
    folder.mkdir()
    (folder / f"{module}.py").write_text(f"raise ModuleNotFoundError(name={module!r})\n")
    return str(folder)
