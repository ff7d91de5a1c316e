"""CONTRIBUTING.md agrees with what is checked."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

from .examples import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    """Return the modules that each row of the table names, without `_core`, which has modules of several layers."""
    table = PAGE.partition("| in `cloud66_async/` |")[2].partition("\n\n")[0]
    cells = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    named = [[name.removesuffix("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", cell)] for cell in cells]
    return [[name for name in row if name != "_core"] for row in named]


def layers() -> dict[str, int]:
    """Return the layer of each module of the package's root, from the contract that `lint-imports` checks."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contract = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]
    found = [(name, number) for number, layer in enumerate(contract["layers"]) for name in layer.split(" | ")]
    return {name: number for name, number in found if not name.startswith("_core.") and name != "_version"}


def test_table_names_every_module() -> None:
    assert sorted(name for row in rows() for name in row) == sorted(layers())


def test_rows_have_the_order_of_the_import_contract() -> None:
    numbers = [[layers()[name] for name in row] for row in rows() if row]
    for above, below in itertools.pairwise(numbers):
        assert max(above) <= min(below), (above, below)


def test_every_nox_session_is_explained() -> None:
    sessions = re.findall(r"^def ([a-z]+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in sessions if f"`nox -s {name}`" not in PAGE] == []
    named = re.findall(r"^\| `nox -s ([a-z]+)`", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(sessions)


def example(start: str) -> str:
    """Return the code block of "Add an operation" that starts with this text."""
    section = PAGE.partition("## Add an operation")[2].partition("\n## ")[0]
    found = [
        textwrap.dedent(block)
        for block in re.findall(r"^   ```python\n(.*?)^   ```$", section, re.MULTILINE | re.DOTALL)
    ]
    (block,) = [block for block in found if block.startswith(start)]
    return block


USE_OF_THE_EXAMPLE = """
import asyncio
from cloud66_async.models import AlarmState
from cloud66_async.sandbox import FakeCloud66

async def main():
    fake = FakeCloud66()
    uid = fake.add_stack("web").uid
    async with fake.clock.running(), fake.client() as c66:
        assert (await c66.alarms.create(uid, url="https://example.com/2")).url.reveal() == "https://example.com/2"
        first, second = await c66.alarms.list(uid)
        await c66.actions.wait(await c66.alarms.test(uid, first.uid))
        await c66.actions.wait(await c66.alarms.mute(uid, first.uid))
        assert [alarm.uid for alarm in await c66.alarms.list(uid, state=AlarmState.MUTED)] == [first.uid]

asyncio.run(main())
"""


def test_example_of_a_resource_works(tmp_path: Path) -> None:
    package = tmp_path / "cloud66_async"
    shutil.copytree(ROOT / "cloud66_async", package, ignore=shutil.ignore_patterns("__pycache__"))
    resource, sandbox, attribute = map(example, ('"""Alarms: ', '"""Alarms in ', "alarms: "))
    (package / "resources" / "alarms.py").write_text(resource, encoding="utf-8")
    (package / "sandbox" / "resources" / "alarms.py").write_text(sandbox, encoding="utf-8")
    listed = package / "resources" / "__init__.py"
    before = "    application_groups: "
    text = listed.read_text(encoding="utf-8")
    listed.write_text(text.replace(before, f"{textwrap.indent(attribute, '    ')}{before}"), encoding="utf-8")
    with (package / "models.pyi").open("a", encoding="utf-8") as models:
        models.write("from .resources.alarms import Alarm as Alarm, AlarmState as AlarmState\n")
    subprocess.run(
        [sys.executable, "-c", USE_OF_THE_EXAMPLE],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
