"""The whole program: from arguments to an exit code."""

from __future__ import annotations

from collections.abc import Sequence

from .exits import USAGE, CommandError
from .help import print_help, print_topic
from .running import exit_on_error
from .terminal.console import plain
from .tree import expand, is_command, suggestions

__all__ = ["run_program"]

_HELP_NAMES = ("help", "--help", "-h")
_HELP = tuple([name] for name in _HELP_NAMES)
_SEE = "See: cloud66-async --help"
_MAX_MESSAGE = 1000


def run_program(arguments: Sequence[str]) -> None:
    """Run the command that the arguments name, and exit if it fails."""
    exit_on_error(lambda: _run(expand(arguments)))


def _run(arguments: list[str]) -> object:
    """Answer what needs no command here: cyclopts takes 60 ms to import, and would import every command."""
    if not arguments or arguments in _HELP:
        print_help()
        return None
    if arguments[0] == "__complete":
        from .complete import complete  # imported lazily, as above

        complete(arguments[1:])
        return None
    name, *others = arguments
    if name in _HELP_NAMES:
        return _help(others)
    if name.startswith("-"):
        raise CommandError(f"no command before {plain(name)}", "Options stand after the command", _SEE, code=USAGE)
    if not is_command(name):
        raise _unknown(name)
    return _call(arguments)


def _help(arguments: list[str]) -> object:
    """Print the help of a topic or of a command."""
    if arguments[0].startswith("-"):
        return _run([])
    if print_topic(arguments[0]):
        return None
    return _run(expand([*arguments, "--help"]))


def _unknown(name: str) -> CommandError:
    close = suggestions(name)
    advice = [f"Did you mean {', '.join(close)}?"] if close else []
    return CommandError(f'no command is called "{plain(name)}"', *advice, _SEE, code=USAGE)


def _call(arguments: Sequence[str]) -> object:
    from cyclopts import CycloptsError  # imported lazily, as above

    from .app import app, use_docstring, use_usage
    from .stack_first import stack_first

    try:
        if not {"--help", "-h"}.isdisjoint(arguments):
            use_docstring(arguments[0])
            use_usage([word for word in arguments if word not in _HELP_NAMES])
        return app(stack_first(app, arguments), print_error=False, exit_on_error=False)
    except CycloptsError as error:
        from .usage import usage_text

        chain = " ".join(error.command_chain or ())
        text = plain(usage_text(error), max_length=_MAX_MESSAGE)
        raise CommandError(text, f"See: cloud66-async {chain and chain + ' '}--help", code=USAGE) from None
