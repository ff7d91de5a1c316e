"""The command `cloud66-async`: manage stacks from the terminal, or try the SDK. Requires the extra `cli`."""

from __future__ import annotations

import sys

from .terminal.streams import protect_streams

__all__ = ["main"]

_VERSION_ARGUMENTS = (["--version"], ["-V"])


def main() -> None:
    """Run the command line and exit with one of the codes that `exits` lists."""
    with protect_streams():
        try:
            _run(sys.argv[1:])
        except KeyboardInterrupt:  # before or after the command itself
            sys.exit(130)


def _run(arguments: list[str]) -> None:
    if arguments in _VERSION_ARGUMENTS:  # answered without the 60 ms that cyclopts takes to import
        from .._version import __version__

        sys.stdout.write(f"{__version__}\n")
        return
    try:
        from .program import run_program
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("cyclopts", "rich"):
            raise
        print(
            f"cloud66-async: missing package {error.name!r}; install the command line's dependencies with "
            "pip install 'cloud66-async[cli]'",
            file=sys.stderr,
        )
        sys.exit(1)
    run_program(arguments)
