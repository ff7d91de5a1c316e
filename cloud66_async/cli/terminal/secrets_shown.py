"""Values that a listing shows: those that look secret are hidden, and each takes one line."""

from __future__ import annotations

import re
from typing import Final

from rich.cells import cell_len

from ...secret import MASK
from .console import is_terminal, plain, width

__all__ = ["cut", "hidden_mark", "looks_secret", "one_line", "room_beside"]

_DOTS: Final = "••••••"
_SECRET_NAME = re.compile(
    r"PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|WEBHOOK"
    r"|(?:^|[_.\-])(?:PASS|PWD|KEY|KEYS|AUTH|DSN|JWT|SALT|COOKIE|SIGNATURE|CERT|PEM|PIN)(?:$|[_.\-])",
    re.IGNORECASE,
)
# A URL with a password, the start of a key or of a JSON web token, and what nobody would type.
_SECRET_VALUE = re.compile(
    r"[a-z][a-z0-9+.\-]*://[^/\s:@]*:[^/\s@]+@|-----BEGIN |eyJ[\w\-]+\.eyJ"
    r"|(?=[^\s]*[0-9])(?=[^\s]*[A-Za-z])[A-Za-z0-9+/_=\-]{20,}\Z",
    re.ASCII | re.IGNORECASE,
)
_LOOKED_AT = 4096  # characters of a value in which a secret is looked for
_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})
_LEAST_ROOM = 12


def looks_secret(name: str, value: str, *, is_password: bool = False) -> bool:
    """Return whether a value should not be shown without being asked for. It prefers to hide too much."""
    if not value:
        return False
    start = value[:_LOOKED_AT]
    return is_password or _SECRET_NAME.search(name) is not None or _SECRET_VALUE.search(start) is not None


def hidden_mark() -> str:
    """Return what stands for a hidden value: dots on a terminal, otherwise the mask that all output of the SDK has."""
    return _DOTS if is_terminal() and plain(_DOTS) == _DOTS else MASK


def one_line(value: str) -> str:
    """Return a value on one line, with escapes for line breaks. On a terminal, an empty value is shown as quotes."""
    if not value:
        return '""' if is_terminal() else ""
    escaped = value.translate(_ESCAPES)
    return plain(escaped, max_length=len(escaped)) or '" "'


def room_beside(*columns: int) -> int | None:
    """Return how many columns a value may take beside others of these widths, or None if nothing need be cut."""
    columns_of_terminal = width()
    if columns_of_terminal is None:
        return None
    return max(_LEAST_ROOM, columns_of_terminal - sum(columns) - 2 * len(columns))


def cut(text: str, room: int | None) -> str:
    """Return text that takes at most `room` columns, with an ellipsis where it was cut."""
    if room is None or (len(text) <= room and cell_len(text) <= room):
        return text
    shortened = text[: room - 1]
    while cell_len(shortened) > room - 1:
        shortened = shortened[:-1]
    return plain(f"{shortened}…")
