"""The command `cloud66-async`: a demo, a sandbox, logins, and the stacks of an account. Requires the extra `cli`."""

from __future__ import annotations

import sys

from .streams import INTERRUPTED, protect_streams

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit: 0 for success, 1 for an error, 2 for invalid arguments, 130 for Ctrl+C."""
    with protect_streams():
        try:
            _run()
        except KeyboardInterrupt:  # before or after the command itself
            sys.exit(INTERRUPTED)


def _run() -> None:
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("cyclopts", "rich"):
            raise
        print(
            f"cloud66-async: missing package {error.name!r}; install the command line's dependencies with "
            "pip install 'cloud66-async[cli]'",
            file=sys.stderr,
        )
        sys.exit(1)
    from .console import exit_on_error

    exit_on_error(app)
