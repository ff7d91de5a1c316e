"""The command `cloud66-async`: a demo, a sandbox, logins, and the stacks of an account. Needs the extra `cli`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit: 0 when all went well, 1 for an error, 2 for a wrong call, 130 for ctrl-c."""
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("cyclopts", "rich"):
            raise
        sys.exit("cloud66-async: the command line is an extra: pip install 'cloud66-async[cli]'")
    from .console import guarded

    guarded(app)
