"""The option `--stack`, as users of other tools type it: `services scale -s web worker 3`."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App

__all__ = ["stack_first"]

_NAMES = ("-s", "--stack")
_LONG = "--stack="


def stack_first(app: App, arguments: Sequence[str]) -> list[str]:
    """Return arguments with the stack in its position, if an option names it.

    Cyclopts does not accept positional arguments after an option that stands for one before them.
    """
    if not any(word in _NAMES or word.startswith(_LONG) for word in arguments):
        return list(arguments)
    words, apps, rest = app.parse_commands(arguments)
    command = apps[-1]
    if command.default_command is None or not any(
        "--stack" in argument.names for argument in command.assemble_argument_collection()
    ):
        return list(arguments)
    options, end = (rest[: rest.index("--")], rest[rest.index("--") :]) if "--" in rest else (rest, [])
    stacks: list[str] = []
    others: list[str] = []
    left = iter(options)
    for word in left:
        if word in _NAMES and (name := next(left, None)) is not None:
            stacks.append(name)
        elif word.startswith(_LONG):
            stacks.append(word.removeprefix(_LONG))
        else:
            others.append(word)
    if any(name.startswith("-") for name in stacks):  # an option follows: cyclopts says that a value is missing
        return list(arguments)
    return [*words, *stacks, *others, *end]
