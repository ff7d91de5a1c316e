"""The programs and CI files among the examples, run against a sandbox on a local port."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TIMEOUT = 60

Node: TypeAlias = "str | int | list[Node] | dict[str, Node] | None"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    fake = FakeCloud66(clock=SystemClock(), action_seconds=1)
    fake.seed(40)
    fake.add_stack("web", environment="production")
    with SandboxServer(fake) as running:
        yield running


@pytest.fixture
def environment(server: SandboxServer, tmp_path: Path) -> Mapping[str, str]:
    """The environment of a program that finds the sandbox. `cloud66-async` in it is the one of this interpreter."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "CI": "true",
        "CLOUD66_URL": server.url,
        "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal(),
    }


def run(command: list[str], environment: Mapping[str, str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def scripts(value: Node) -> Iterator[str]:
    """Yield the lines that a CI file runs."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from [str(inner)] if name == "run" else scripts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from [inner] if isinstance(inner, str) else scripts(inner)


@pytest.mark.parametrize(("file", "revision"), [("github.yml", "GITHUB_SHA"), ("gitlab.yml", "CI_COMMIT_SHA")])
def test_commands_of_ci_files(
    server: SandboxServer, environment: Mapping[str, str], tmp_path: Path, file: str, revision: str
) -> None:
    yaml: Any = pytest.importorskip("yaml")
    found = yaml.safe_load((EXAMPLES / "ci" / file).read_text())
    commands = [line for line in scripts(found) if line.startswith("cloud66-async")]
    assert len(commands) == 2
    before = server.fake.calls("stacks.redeploy")
    for line in commands:
        done = run(["bash", "-euc", line], {**environment, revision: "9f2c1ab"}, tmp_path)
        assert done.returncode == 0, done.stderr
    assert server.fake.calls("stacks.redeploy") == before + 1


def test_report_of_the_cron_script(environment: Mapping[str, str], tmp_path: Path) -> None:
    done = run([sys.executable, str(EXAMPLES / "cron" / "report.py")], environment, tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"^[\w-]+ \(\w+\): (failed|impaired), servers with problems: \d$", done.stdout, re.MULTILINE)
    token = tmp_path / "token"
    token.write_text("wrong")
    refused = {**environment, "CLOUD66_ACCESS_TOKEN_FILE": str(token)}
    done = run([sys.executable, str(EXAMPLES / "cron" / "report.py")], refused, tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("no report: 401")


def compiled(source: str) -> CodeType:
    """Compile a cell as notebooks do, with `await` outside functions."""
    code: CodeType = compile(source, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


async def test_cells_of_the_notebook(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: pip install 'cloud66-async[providers]'")
    pytest.importorskip("matplotlib").use("agg")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "notebook" / "stacks.ipynb").read_text())
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            result = eval(compiled("".join(cell["source"])), names)
            if result is not None:
                await result
    assert int(names["table"].to_numpy().sum()) == 41
    assert names["durations"]["minutes"].gt(0).all()
    assert not any(cell.get("outputs") for cell in notebook["cells"])
