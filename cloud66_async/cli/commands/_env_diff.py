"""The command `env diff`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from ...bulk import values
from ...client import Cloud66
from ...resources.environment_variables import EnvironmentVariable
from ...resources.stacks import Stack
from ...secret import MASK, Secret
from ..exits import DONE, FAILED, USAGE, CommandError
from ..lookup.names import find_stack, full_name
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, Output
from ..running import run
from ..terminal.console import is_terminal, plain, print_line, print_table, warn, width
from ..terminal.output import Field, Listing
from ..terminal.secrets_shown import cut, hidden_mark, one_line, room_beside
from ..terminal.table import Cell, Column, Table
from ._env_reading import Reveal, is_hidden

__all__ = ["diff"]

_DIFFERS, _FIRST, _SECOND, _EQUAL, _UNKNOWN = "differs", "only-in-first", "only-in-second", "equal", "not-known"
_STYLES = {_DIFFERS: "yellow", _FIRST: "green", _SECOND: "red", _UNKNOWN: "dim", _EQUAL: "dim"}
_NOTHING = "–"
_HINT = "Values that look secret are hidden; --reveal shows them."


class Row(NamedTuple):
    """One variable in both stacks.

    Args:
        key: Name of the variable.
        first: Value in the first stack, or None if it has no such variable.
        second: Value in the second stack, likewise.
        state: How they compare.
        hidden: Whether the values are not shown.
    """

    key: str
    first: str | None
    second: str | None
    state: str
    hidden: bool


def diff(
    first: Annotated[str, Parameter(help="Name, name/environment or uid of a stack, or its beginning.")],
    second: Annotated[str, Parameter(help="Name, name/environment or uid of the other stack, or its beginning.")],
    *,
    all_: Annotated[
        bool, Parameter(name="--all", negative="", show_default=False, help="Show equal variables, too.")
    ] = False,
    reveal: Reveal = False,
    exit_code: Annotated[
        bool, Parameter(negative="", show_default=False, help="Exit with 1 if there are differences.")
    ] = False,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> int:
    """Compare the environment variables of two stacks.

    For example:
      cloud66-async env diff web/staging web/production
    """
    stacks, found = run(_read(access.open(), first, second))
    every = list(_rows(found[0], found[1], reveal=reveal))
    rows = [row for row in every if all_ or row.state != _EQUAL]
    if output.json or output.csv or output.columns is not None:
        output.show(_LISTING, rows)
    else:
        _print(rows, stacks, output)
    more = " (--all shows them)" if len(rows) < len(every) else ""
    hint = [_HINT] if any(row.hidden for row in rows) else []
    for line in (f"{_total(every, _labels(stacks))}{more}", *hint):
        (print_line if output.for_people else warn)(line)
    return FAILED if exit_code and any(row.state != _EQUAL for row in every) else DONE


async def _read(
    c66: Cloud66, first: str, second: str
) -> tuple[tuple[Stack, Stack], Sequence[Sequence[EnvironmentVariable]]]:
    async def variables(stack: Stack) -> Sequence[EnvironmentVariable]:
        return await c66.environment_variables.list(stack.uid)

    async with c66:
        stacks = await find_stack(c66, first), await find_stack(c66, second)
        if stacks[0].uid == stacks[1].uid:
            raise CommandError(f"{plain(first)} and {plain(second)} are the same stack", code=USAGE)
        return stacks, values(await c66.collect(variables, stacks))


# --- comparing -----------------------------------------------------------------------------------


def _rows(
    first: Iterable[EnvironmentVariable], second: Iterable[EnvironmentVariable], *, reveal: bool
) -> Iterator[Row]:
    """Yield the variables of both stacks, sorted by name."""
    left, right = ({variable.key: variable for variable in variables} for variables in (first, second))
    for key in sorted({*left, *right}):
        both = [variable for variable in (left.get(key), right.get(key)) if variable is not None]
        shown = (_revealed(left, key), _revealed(right, key))
        yield Row(key, *shown, _compare(left, right, key), not reveal and any(map(is_hidden, both)))


def _compare(left: Mapping[str, EnvironmentVariable], right: Mapping[str, EnvironmentVariable], key: str) -> str:
    if key not in right:
        return _FIRST
    if key not in left:
        return _SECOND
    one, other = left[key].value, right[key].value
    if one is None or other is None:
        return _UNKNOWN  # the API did not return a value
    return _EQUAL if one == other else _DIFFERS


def _revealed(variables: Mapping[str, EnvironmentVariable], key: str) -> str | None:
    value: Secret | None = variables[key].value if key in variables else None
    return None if value is None else value.reveal()


def _total(rows: Sequence[Row], labels: tuple[str, str]) -> str:
    """Return how many variables there are of each state."""
    counts = {state: sum(row.state == state for row in rows) for state in _STYLES}
    shown = [(state, number) for state, number in counts.items() if number or state != _UNKNOWN]
    parts = [
        f"{number:,} {'differ' if state == _DIFFERS and number != 1 else _state(state, labels)}"
        for state, number in shown
    ]
    every = ", ".join(parts)
    is_long = len(every) > (width() or len(every))
    return ", ".join(part for part in parts if not part.startswith("0 only")) if is_long else every


# --- showing -------------------------------------------------------------------------------------


def _print(rows: Sequence[Row], stacks: tuple[Stack, Stack], output: Output) -> None:
    """Print a table whose titles are the names of the stacks."""
    if not rows:
        return
    names, labels = [full_name(stack) for stack in stacks], _labels(stacks)
    states = {row.state: _state(row.state, labels) for row in rows}
    space = room_beside(max(len(plain(row.key)) for row in rows), max(map(len, states.values())), 0)
    room = None if output.wide or space is None else max(10, space // 2)
    table = Table(*(Column("") for _ in range(4)))
    if not output.no_header:
        table.add(*(Cell(title, "dim") for title in ("KEY", *names)), "")
    for row in rows:
        shown = [_shown(value, room, hidden=row.hidden) for value in (row.first, row.second)]
        table.add(plain(row.key), *shown, Cell(states[row.state], _STYLES[row.state]))
    print_table(table, header=False)


def _shown(value: str | None, room: int | None, *, hidden: bool) -> Cell:
    if value is None:
        return Cell(_NOTHING if is_terminal() else "", "dim")
    return Cell(hidden_mark(), "dim") if hidden else Cell(cut(one_line(value), room))


def _labels(stacks: tuple[Stack, Stack]) -> tuple[str, str]:
    """Return short names that tell the stacks apart: their environments, if nothing else differs."""
    first, second = stacks
    if first.name == second.name and first.environment != second.environment:
        return plain(first.environment), plain(second.environment)
    if first.name != second.name and first.environment == second.environment:
        return plain(first.name), plain(second.name)
    return full_name(first), full_name(second)


def _state(state: str, labels: tuple[str, str]) -> str:
    return {_FIRST: f"only in {labels[0]}", _SECOND: f"only in {labels[1]}", _UNKNOWN: "not known"}.get(state, state)


def _masked(row: Row, value: str | None) -> str | None:
    return MASK if row.hidden and value is not None else value


_LISTING: Listing[Row] = Listing(
    "variable",
    (
        Field("key", lambda row: row.key),
        Field("first", lambda row: _masked(row, row.first)),
        Field("second", lambda row: _masked(row, row.second)),
        Field("state", lambda row: row.state),
    ),
    lambda row: {
        **row._asdict(),
        "first": _masked(row, row.first),
        "second": _masked(row, row.second),
    },
)
