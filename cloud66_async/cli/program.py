"""The whole program: from arguments to an exit code."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import CycloptsError

from .app import app, expand
from .exits import USAGE, CommandError
from .running import exit_on_error

__all__ = ["run_program"]


def run_program(arguments: Sequence[str]) -> None:
    """Run the command that the arguments name, and exit if it fails."""
    exit_on_error(lambda: _call(expand(arguments)))


def _call(arguments: Sequence[str]) -> object:
    try:
        return app(arguments, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        chain = " ".join(error.command_chain or ())
        raise CommandError(str(error), f"See: cloud66-async {chain and chain + ' '}--help", code=USAGE) from None
