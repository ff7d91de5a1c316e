"""Text from a server, made safe for error messages, logs and terminals."""

from __future__ import annotations

import re

__all__ = ["clean"]

_MAX_LENGTH = 300
_REMOVED = re.compile("\0+")


def clean(text: str, *, max_length: int = _MAX_LENGTH) -> str:
    """Reduce server text to one line of printable characters, at most `max_length`.

    Each run of other characters becomes a space: control characters and escape sequences, which could forge log
    lines or control a terminal, and bidirectional and zero-width characters, which could disguise text.
    """
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "\0" for character in text[: 2 * max_length])
        text = _REMOVED.sub(" ", text)
    return text[:max_length].strip()
