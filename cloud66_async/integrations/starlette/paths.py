"""Where a user may be sent after a login: to a page of this site, and nowhere else. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["path_of", "safe_path"]

_LONGEST = 1000
_VISIBLE = re.compile(r"/[!-~]*")
# A proxy may decode a path before the application does; who needs more layers than this is up to something.
_MOST_LAYERS = 3


def safe_path(target: str | None, *, otherwise: str = "/") -> str:
    """`target` if it is a path on this site, else `otherwise`.

    Query and fragment are kept. Absolute URLs, `//host` and all that a browser or a proxy may take for it
    (backslashes, control characters, blanks, encoded slashes beside slashes) are refused.
    """
    return target if target is not None and _is_local(target) else otherwise


def path_of(target: str) -> str:
    """The path alone, without query and fragment."""
    return re.split(r"[?#]", target, maxsplit=1)[0]


def _is_local(target: str) -> bool:
    if len(target) > _LONGEST or _VISIBLE.fullmatch(target) is None:
        return False
    path = path_of(target)
    for _ in range(_MOST_LAYERS):
        if "//" in path or "\\" in path or not path.isprintable():
            return False
        plainer = unquote(path)
        if plainer == path:
            return True
        path = plainer
    return False
