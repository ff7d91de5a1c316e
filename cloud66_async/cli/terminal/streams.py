"""Standard output and standard error whose failures do not raise, so that output never interrupts a running effect."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, TextIO, cast

__all__ = ["Stream", "protect_streams"]

_FAILURES = (OSError, ValueError)  # ValueError: the stream was closed in this process


class Stream:
    """A text stream that replaces characters which its encoding cannot represent, and never raises.

    `error` is the first failure, for example of a full disk. Text that is written afterwards is discarded.
    `is_redirected` tells that the text is written to another stream since then.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.error: Exception | None = None
        self.is_redirected = False
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"
        if stream is None:
            self.error = OSError(errno.EBADF, "it is closed")

    def write(self, text: str) -> int:
        """Write text, with backslash escapes for characters that the encoding cannot represent."""
        if self._stream is not None and self.error is None:
            try:
                self._stream.write(self.replace_unencodable(text))
            except _FAILURES as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        if self._stream is not None and self.error is None:
            try:
                self._stream.flush()
            except _FAILURES as error:
                self._fail(error)

    def replace_unencodable(self, text: str) -> str:
        """Return text with backslash escapes for the characters that the encoding cannot represent."""
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream is not None and self.error is None and self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor. Raises OSError if there is none."""
        if self._stream is None:
            raise OSError(errno.EBADF, "the stream is closed")
        return self._stream.fileno()

    def _fail(self, error: Exception) -> None:
        self.error = error
        # The interpreter flushes the rest of the buffer at exit, which must not fail again.
        with contextlib.suppress(*_FAILURES, AttributeError), Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), self.fileno())


@contextlib.contextmanager
def protect_streams() -> Generator[tuple[Stream, Stream]]:
    """Replace standard output and standard error by streams that never raise, and restore them at the end."""
    _open_missing_descriptors()
    before = sys.stdout, sys.stderr
    protected = Stream(sys.stdout), Stream(sys.stderr)
    sys.stdout, sys.stderr = cast("Any", protected)  # they have every method that is used
    try:
        yield protected
    finally:
        for stream in protected:
            stream.flush()
        sys.stdout, sys.stderr = before


def _open_missing_descriptors() -> None:
    """Open the null device for each closed standard stream. Otherwise, a connection could receive its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                null = os.open(os.devnull, os.O_RDWR)
                if null != descriptor:
                    os.dup2(null, descriptor)
                    os.close(null)
