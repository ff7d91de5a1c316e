"""The commands, registered by their place: they are imported when they run. Their names are in `tree`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Final

from cyclopts import App, Argument, Group

from .._version import __version__
from .help import Formatter
from .tree import DESCRIPTION, TREE

__all__ = ["app", "use_docstring", "use_usage"]

_COMMANDS: Final = f"{__package__}.commands"

app: App = App(
    name="cloud66-async",
    help=DESCRIPTION,
    version=__version__,
    version_flags=("--version", "-V"),
    help_format="plaintext",
    help_formatter=Formatter(),
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # handled by `exit_on_error`
)


def _register() -> None:
    for place, (title, commands) in enumerate(TREE.items()):
        group = Group(title, sort_key=place)
        for name, attribute, text in commands:
            app.command(f"{_COMMANDS}.{attribute}", name=name, help=text, group=group)


def use_docstring(name: str) -> None:
    """Let the help of this command be the docstring of its function, which says more than the line in the tree.

    A group of commands has a help of its own.
    """
    is_group = any(name == each and place.endswith(":app") for commands in TREE.values() for each, place, _ in commands)
    function = app[name].default_command
    if not is_group and function is not None:
        app[name].help = inspect.getdoc(function) or ""


def use_usage(arguments: Sequence[str]) -> None:
    """Let the usage of the command that these arguments name show each positional argument by its name."""
    chain, apps, _ = app.parse_commands(arguments)
    command = apps[-1]
    if command.default_command is None or any(not name.startswith("-") for name in command):
        return  # the usage of a group names its commands
    command.usage = " ".join([app.name[0], *chain, "[OPTIONS]", *map(_in_usage, _positional(command))])


def _positional(command: App) -> list[Argument]:
    found = [argument for argument in command.assemble_argument_collection() if argument.index is not None]
    return sorted(found, key=lambda argument: argument.index or 0)


def _in_usage(argument: Argument) -> str:
    """Return a positional argument for a usage line: `[STACK]...` may be left out or repeated."""
    name = argument.name.lstrip("-").upper()
    _, takes_several = argument.token_count()
    return f"{name if argument.required else f'[{name}]'}{'...' if takes_several else ''}"


_register()
