"""CONTRIBUTING names the layers as they are checked."""

from __future__ import annotations

import re
import tomllib

from .examples import ROOT


def test_the_layers_are_those_that_are_checked() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    checked = [set(layer.split(" | ")) for layer in contracts[0]["layers"]]
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.partition("| in `cloud66_async/` |")[2].partition("\n\n")[0]
    rows = [line.partition(" | ")[0] for line in table.splitlines()[2:]]
    told = [{name.removesuffix("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", row)} for row in rows]
    assert told == checked


def test_every_part_of_nox_is_explained() -> None:
    sessions = re.findall(r"^def ([a-z]+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in sessions if f"`nox -s {name}`" not in page] == []
