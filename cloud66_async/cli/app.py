"""The commands, registered by their place: they are imported when they run. Their names are in `tree`."""

from __future__ import annotations

import inspect
from typing import Final

from cyclopts import App, Group

from .._version import __version__
from .help import Formatter
from .tree import DESCRIPTION, TREE

__all__ = ["app", "use_docstring"]

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


_register()
