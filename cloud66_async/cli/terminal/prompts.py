"""Prompts. They run in the main thread and outside the event loop, so that Ctrl+C ends them immediately."""

from __future__ import annotations

import getpass
import os
import sys

from ...errors import ConfigError
from ..exits import USAGE, CommandError
from .console import is_terminal, warn

__all__ = ["ask_secret", "confirm", "is_interactive"]


def ask_secret(name: str) -> str:
    """Return a secret, typed without echo or read from a pipe. Raises ConfigError if it is empty or unreadable."""
    try:
        secret = _read(name).strip()
    except EOFError:
        secret = ""
    except UnicodeDecodeError:
        raise ConfigError(f"invalid {name.lower()}: the input is not valid text; copy it again") from None
    if not secret:
        raise ConfigError(f"no {name.lower()} given: the input was empty; run the command again and paste it")
    return secret


def _read(name: str) -> str:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # closed, for example with `<&-`
        raise ConfigError(f"no {name.lower()} given: standard input is closed; run the command in a terminal")
    if sys.stdin.isatty():
        return getpass.getpass(f"{name}: ")
    warn(f"{name}: reading from standard input")
    return sys.stdin.readline()


def is_interactive() -> bool:
    """Return whether a person can answer a prompt: both streams are a terminal, and no CI system runs the program."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return not in_ci and sys.stdin is not None and sys.stdin.isatty() and is_terminal()  # pyright: ignore[reportUnnecessaryComparison]


def confirm(action: str, *, yes: bool, word: str | None = None) -> None:
    """Ask whether to go on, unless `yes`.

    Args:
        action: What is about to happen, for example `redeploy 12 stacks`.
        yes: Whether the user has already agreed.
        word: Text that has to be typed, for actions with large effects. The default is `y`.

    Raises CommandError if the user declines, or if nobody can be asked.
    """
    if yes:
        return
    if not is_interactive():
        raise CommandError(f"--yes is required to {action} without a terminal", code=USAGE)
    question = f"{action[:1].upper()}{action[1:]}?"
    wanted = "y" if word is None else word
    try:
        given = input(f"{question} [y/N] " if word is None else f"{question} Type {word} to confirm: ")
    except EOFError:
        given = ""
    if given.strip().lower() not in {wanted.lower(), "yes" if word is None else wanted.lower()}:
        raise CommandError("cancelled: nothing was changed")
