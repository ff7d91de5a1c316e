"""Validation of the page to show after a login, which must be a path on this site. No I/O."""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["safe_path", "without_query"]

_MAX_LENGTH = 1000
_VISIBLE = re.compile(r"/[!-~]*")
# A proxy may decode a path before the application does; deeper percent-encoding is rejected as suspicious.
_MAX_DECODINGS = 3


def safe_path(target: str | None, *, default: str = "/") -> str:
    """Return `target` if it is a path on this site, or else `default`.

    The query and the fragment are preserved. Absolute URLs and `//host` are rejected, and so is everything that a
    browser or a proxy may interpret as one: backslashes, control characters, spaces, and encoded slashes next to
    slashes.
    """
    return target if isinstance(target, str) and _is_local(target) else default


def without_query(target: str) -> str:
    """Return the path without its query and fragment."""
    return re.split(r"[?#]", target, maxsplit=1)[0]


def _is_local(target: str) -> bool:
    if len(target) > _MAX_LENGTH or _VISIBLE.fullmatch(target) is None:
        return False
    path = without_query(target)
    for _ in range(_MAX_DECODINGS):
        if "//" in path or "\\" in path or not path.isprintable():
            return False
        decoded = unquote(path)
        if decoded == path:
            return True
        path = decoded
    return False
