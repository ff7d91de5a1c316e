"""Values on standard output exactly as they are, and files that only their owner can read."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from ...secret import Secret
from ..exits import CommandError
from ..terminal.console import is_terminal, plain, print_line

__all__ = ["print_exactly", "write_private"]

_KEPT = "\n\t"  # control characters that a terminal may receive


def print_exactly(text: str) -> None:
    """Print text and a line break. On a terminal, characters that could control it are replaced.

    Raises CommandError if standard output cannot represent it: a value that was changed would do harm.
    """
    if is_terminal():
        print_line("".join(one if one.isprintable() or one in _KEPT else "\N{REPLACEMENT CHARACTER}" for one in text))
        return
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        raise CommandError(
            f"standard output cannot represent a character of the value: its encoding is {sys.stdout.encoding}",
            "Set PYTHONIOENCODING=utf-8, or use env export with --output FILE",
        ) from None
    print_line(text)


def write_private(path: Path, text: Secret) -> None:
    """Write a file that only its owner can read. It has the old or the new content, whatever happens.

    Raises CommandError.
    """
    try:
        target = path.resolve()  # replace the file that a link names, not the link
        if target.exists() and not target.is_file():  # for example /dev/stdout
            target.write_bytes(text.reveal().encode())
            return
        new = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text.reveal().encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(target)
        finally:
            with suppress(OSError):
                new.unlink()
    except UnicodeEncodeError:
        raise CommandError(f"cannot write {plain(path)}: a value is not valid text") from None
    except OSError as error:
        raise CommandError(f"cannot write {plain(path)}: {error.strerror}; check the option --output") from None
