"""CONTRIBUTING.md agrees with what is checked."""

from __future__ import annotations

import itertools
import re
import tomllib

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
