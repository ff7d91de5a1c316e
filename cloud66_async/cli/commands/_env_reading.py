"""The commands `env list` and `env get`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from ...client import Cloud66
from ...resources.environment_variables import EnvironmentVariable
from ...resources.stacks import Stack
from ...secret import MASK
from ..exits import CommandError
from ..lookup.keys import unknown_key
from ..lookup.names import find_stack
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, AsJSON, Environment, Output, StackName
from ..running import run
from ..terminal.console import plain, warn
from ..terminal.output import Field, Listing, count
from ..terminal.secrets_shown import cut, hidden_mark, looks_secret, one_line, room_beside
from ._env_text import print_exactly

__all__ = ["Reveal", "get", "is_hidden", "list_", "note_of", "read_variables"]

Reveal = Annotated[
    bool, Parameter(negative="", show_default=False, help="Show every value, also those that look secret.")
]

_AGE = 10  # a date


def list_(
    stack: StackName,
    *,
    environment: Environment = None,
    reveal: Reveal = False,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the environment variables of a stack.

    Values that look secret are hidden, also in JSON and CSV. On a terminal, long values are cut; --wide shows them in
    full.
    """
    _, found = run(read_variables(access.open(), stack, environment))
    rows = sorted(found, key=lambda variable: variable.key)
    listing = _listing(rows, output, reveal=reveal)
    hidden = sum(is_hidden(variable) for variable in rows) if not reveal else 0
    note = f"{count(hidden, 'value')} hidden (--reveal shows them)" if hidden else ""
    output.show(listing, rows, note=note)
    if note and not output.for_people:
        warn(note)


def get(
    stack: StackName,
    key: Annotated[str, Parameter(help="Name of the variable.")],
    *,
    environment: Environment = None,
    json: AsJSON = False,
    access: Access = DEFAULT_ACCESS,
) -> None:
    """Print the value of one environment variable in plain text."""
    found, variables = run(read_variables(access.open(), stack, environment))
    variable = next((variable for variable in variables if variable.key == key), None)
    if variable is None:
        raise unknown_key("variable", key, [variable.key for variable in variables], found)
    if variable.value is None:
        raise CommandError(f"Cloud 66 does not tell the value of {plain(key)}")
    value = variable.value.reveal()
    if json:
        from json import dumps  # named like the option

        print_exactly(dumps({**variable.to_dict(words=True), "value": value}, separators=(",", ":")))
    else:
        print_exactly(value)


async def read_variables(
    c66: Cloud66, name: str, environment: str | None
) -> tuple[Stack, Sequence[EnvironmentVariable]]:
    """Return a stack and its environment variables."""
    async with c66:
        stack = await find_stack(c66, name, environment)
        return stack, await c66.environment_variables.list(stack.uid)


def is_hidden(variable: EnvironmentVariable) -> bool:
    """Return whether the value of a variable is only shown if that is asked for."""
    value = "" if variable.value is None else variable.value.reveal()
    return looks_secret(variable.key, value, is_password=bool(variable.is_password))


def note_of(variable: EnvironmentVariable) -> str:
    """Return why a variable cannot be changed, or an empty string."""
    return "read-only" if variable.readonly else "generated" if variable.is_generated else ""


def _listing(rows: Sequence[EnvironmentVariable], output: Output, *, reveal: bool) -> Listing[EnvironmentVariable]:
    """Return how variables are listed: values in full for programs, and on one line in tables."""
    shown = _value_function(rows, output, reveal=reveal)

    def hidden(variable: EnvironmentVariable) -> bool:
        return not reveal and is_hidden(variable)

    def to_dict(variable: EnvironmentVariable) -> Mapping[str, Any]:
        return {**variable.to_dict(words=True), "value": shown(variable), "hidden": hidden(variable)}

    return Listing(
        "variable",
        (
            Field("key", lambda variable: variable.key),
            Field("value", shown, style=lambda variable: "dim" if hidden(variable) else ""),
            Field("note", note_of, style=lambda _: "dim", dropped=2),
            Field("updated", lambda variable: variable.updated_at, title="ago", dropped=1),
            Field("hidden", hidden, extra=True),
        ),
        to_dict,
    )


def _value_function(
    rows: Sequence[EnvironmentVariable], output: Output, *, reveal: bool
) -> Callable[[EnvironmentVariable], str | None]:
    key_width = max((len(plain(variable.key)) for variable in rows), default=0)
    note_width = max((len(note_of(variable)) for variable in rows), default=0)
    room = None if output.wide or output.columns is not None else room_beside(key_width, max(4, note_width), _AGE)
    exact = output.json or output.csv

    def shown(variable: EnvironmentVariable) -> str | None:
        if variable.value is None:
            return None
        if not reveal and is_hidden(variable):
            return MASK if exact else hidden_mark()
        value = variable.value.reveal()
        return value if exact else cut(one_line(value), room)

    return shown
