"""Names of variables and settings that users mistype."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ...resources.stacks import Stack
from ..exits import CommandError
from ..terminal.console import plain
from .names import full_name

__all__ = ["unknown_key"]

_SUGGESTIONS = 3


def unknown_key(kind: str, key: str, keys: Iterable[str], stack: Stack) -> CommandError:
    """Return an error with the most similar keys.

    Args:
        kind: What the key names, for example `variable`.
        key: What the user typed.
        keys: Keys that exist.
        stack: Stack that was searched.
    """
    by_key = {known.casefold(): known for known in keys}
    close = difflib.get_close_matches(key.casefold(), by_key, _SUGGESTIONS)
    advice = [f"Did you mean {', '.join(plain(by_key[known]) for known in close)}?"] if close else []
    return CommandError(f'no {kind} of {full_name(stack)} is called "{plain(key)}"', *advice)
