"""Prompts. They run in the main thread and outside the event loop, so that Ctrl+C ends them immediately."""

from __future__ import annotations

import getpass
import sys

from ..errors import ConfigError
from .console import warn

__all__ = ["ask_secret"]


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
