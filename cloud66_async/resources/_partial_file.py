"""Partial files: what has been downloaded so far, and which file it is a part of."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

__all__ = ["PartialFile", "Version", "run_in_thread"]

T = TypeVar("T")

_MAX_SIDECAR = 64 * 1024
_PRIVATE = 0o600  # a backup holds everything that the database does
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# Non-blocking, because opening a named pipe would otherwise wait until a process writes to it.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _FLAGS


class Version(msgspec.Struct, frozen=True):
    """What a partial file is a part of.

    Args:
        source: Name of the file at its source.
        validator: ETag or time of the last change, which the server compares before it continues.
        total: Size of the whole file in bytes, or None if the server did not say.
    """

    source: str
    validator: str
    total: int | None


class PartialFile:
    """The file beside `path` that a download writes to. It gets its final name when it is complete.

    It is locked while it is open. `.part.json` beside it holds its version, without which it cannot be continued.
    Methods that access the disk block, and raise OSError.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self.source = source
        self.version: Version | None = None
        self.size = 0
        self._partial = path.with_name(f"{path.name}.part")
        self._sidecar = path.with_name(f"{path.name}.part.json")
        self._descriptor: int | None = None

    def open(self, *, resume: bool) -> None:
        """Create the file, or open the one of an earlier download and continue it if `resume` is set."""
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path))
        self._descriptor = descriptor = _open_locked(self._partial)
        version = _read_version(self._sidecar) if resume else None
        size = os.fstat(descriptor).st_size
        if version is None or version.source != self.source or (version.total is not None and size > version.total):
            self.restart(None)
        else:
            self.version = version
            self.size = os.lseek(descriptor, 0, os.SEEK_END)

    @property
    def complete(self) -> bool:
        """Whether the file has the size of the whole file."""
        return self.version is not None and self.version.total == self.size

    @property
    def validator(self) -> str:
        """What the server compares before it continues the file, or an empty string if it must start over."""
        return self.version.validator if self.version is not None and self.size else ""

    def restart(self, version: Version | None) -> None:
        """Delete the content. What is written from now on is of `version`; None means that it cannot be continued."""
        # Truncated first: a process that is killed here must not leave old content with the new version.
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self.size = 0
        self.version = version
        self._sidecar.unlink(missing_ok=True)
        if version is not None and version.validator:
            descriptor = os.open(self._sidecar, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, _PRIVATE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(version))

    def write(self, data: bytes | bytearray) -> None:
        """Append data."""
        rest = memoryview(data)
        try:
            while rest:
                written = os.write(self._file, rest)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(self._partial)) from None

    def finish(self) -> None:
        """Give the file its final name, and replace a file that has it."""
        os.fsync(self._file)
        if os.name == "nt":
            self.close()  # Windows does not rename open files
        self._partial.replace(self.path)
        self._sidecar.unlink(missing_ok=True)
        if os.name == "posix":
            with suppress(OSError):  # the directory may be writable, but not readable
                directory = os.open(self.path.parent, os.O_RDONLY)
                try:
                    os.fsync(directory)  # the new name must survive a power failure, too
                finally:
                    os.close(directory)

    def close(self) -> None:
        """Close the file. Delete it if it is empty. Closing again has no effect."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            if not self.size and os.name == "posix" and _is_at(self._partial, descriptor):
                for path in (self._partial, self._sidecar):
                    with suppress(OSError):
                        path.unlink()
            os.close(descriptor)

    @property
    def _file(self) -> int:
        assert self._descriptor is not None
        return self._descriptor


async def run_in_thread(function: Callable[[], T]) -> T:
    """Return the result of `function`, called in a thread. If the task is cancelled, wait for the thread first.

    Otherwise the thread would go on with a file that the task has closed by then.
    """
    import asyncio

    working = asyncio.get_running_loop().run_in_executor(None, function)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        import anyio  # imported lazily: takes 20 ms

        while not working.done():
            # Without the shield, a cancelled scope of anyio would cancel every iteration of this loop.
            with anyio.CancelScope(shield=True), suppress(asyncio.CancelledError):
                await asyncio.wait((working,))
        working.exception()  # mark as retrieved
        raise


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, _PRIVATE)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileExistsError(errno.EEXIST, "not a regular file", str(path))
            _lock(descriptor, path)
            if os.name != "posix":
                return descriptor
            if _is_at(path, descriptor):
                os.fchmod(descriptor, _PRIVATE)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # another download finished meanwhile and gave this file its final name


def _lock(descriptor: int, path: Path) -> None:
    """Lock the file, so that two downloads do not write to it. It stays unlocked where the system cannot lock it."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(errno.EAGAIN, "another download is writing to this file", str(path)) from None
        except OSError:
            return


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether the open file still has this path."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read_version(path: Path) -> Version | None:
    """Return the version in the sidecar, or None if there is none or it is damaged."""
    try:
        descriptor = os.open(path, _READ)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file, suppress(OSError, ValueError):
        return msgspec.json.decode(file.read(_MAX_SIDECAR), type=Version)
    return None
