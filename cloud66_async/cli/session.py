"""What the running command was called with. Messages about errors need it, far from the options."""

from __future__ import annotations

from typing import Final

__all__ = ["SESSION", "Session"]


class Session:
    """Options of the running command.

    `profile` is the stored login that was named, `is_open` tells whether a client was opened with it, and `debug`
    whether to show what only developers need.
    """

    profile: str | None = None
    is_open: bool = False
    debug: bool = False


SESSION: Final = Session()
