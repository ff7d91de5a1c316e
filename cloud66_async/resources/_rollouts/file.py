"""The file in which a rollout is written down."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import msgspec

from ...errors import ConfigError
from .._partial_file import run_in_thread

__all__ = ["RolloutFile"]

_PRIVATE = 0o600
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Non-blocking, because opening a named pipe would otherwise wait until a process writes to it.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _FLAGS


class RolloutFile:
    """A file with a lock, which the process that carries out the rollout holds.

    The file that is locked is always the one at `path`: each version is a new file, which is written and locked before
    it gets the name. So there is no second file, the lock ends with the process, and a file that exists is complete.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self._descriptor: int | None = None
        self._writing = asyncio.Lock()
        self._changes = 0  # number of requested writes
        self._written = 0  # value of `_changes` at the start of the latest successful write

    def read(self) -> Mapping[str, Any]:
        """Return the content. Raises ConfigError."""
        try:
            with open(os.open(self.path, _READ), "rb") as file:  # noqa: PTH123  the path's method has no flags
                content = msgspec.json.decode(file.read())
        except FileNotFoundError:
            raise ConfigError(f"cannot resume the rollout: {self.path} does not exist") from None
        except OSError as error:
            raise self._error("read", error) from None
        except (ValueError, RecursionError):  # ValueError also for a path with a null character
            content = None
        if not isinstance(content, dict):
            raise ConfigError("cannot resume the rollout: the file is not one of a rollout")
        return cast("dict[str, Any]", content)

    def open(self) -> None:
        """Lock the file. Raises ConfigError if another process holds the lock."""
        try:
            while self._descriptor is None:
                descriptor = os.open(self.path, os.O_RDWR | _FLAGS)
                self._lock(descriptor)
                if not os.path.samestat(os.lstat(self.path), os.fstat(descriptor)):
                    self.close()  # a new version got the name meanwhile
        except OSError as error:
            self.close()
            raise self._error("open", error) from None

    def close(self) -> None:
        """End the lock. Closing again has no effect."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    async def write(self, encode: Callable[[], bytes]) -> None:
        """Return when the current state is in the file and on the disk. `encode` returns it. Raises ConfigError.

        Unless the file is open, it must not exist, and is created. Tasks that write at the same time share one write.
        """
        self._changes += 1
        change = self._changes
        async with self._writing:
            if self._written < change:
                change, body = self._changes, encode()
                await run_in_thread(lambda: self.replace(body))
                self._written = change

    def replace(self, body: bytes) -> None:
        """Write a new version of the file, or the first if it is not open. Blocks."""
        new = self.path.parent / f".{self.path.name}.{secrets.token_hex(8)}.new"
        old, self._descriptor = self._descriptor, None
        first = old is None
        try:
            self._lock(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, _PRIVATE))
            descriptor = cast("int", self._descriptor)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(body)
            os.fsync(descriptor)
            if first:
                _name_first(new, self.path)
            else:
                new.replace(self.path)
            _sync_directory(self.path.parent)
        except BaseException as error:
            self.close()
            self._descriptor, old = old, None
            with suppress(OSError):
                new.unlink()
            if isinstance(error, FileExistsError):
                raise ConfigError(
                    f"{self.path} exists; resume its rollout with resume_rollout, or delete the file"
                ) from None
            if isinstance(error, OSError):
                raise self._error("create" if first else "write", error) from None
            raise
        finally:
            if old is not None:
                os.close(old)

    def _lock(self, descriptor: int) -> None:
        """Lock the open file and keep it open, or close it and raise ConfigError."""
        try:
            if sys.platform == "win32":
                raise ConfigError("cannot lock files on Windows; leave out path and store Rollout.to_dict() yourself")
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ConfigError(f"another process carries out the rollout in {self.path}; wait until it ends") from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _error(self, what: str, error: OSError) -> ConfigError:
        return ConfigError(f"cannot {what} {self.path}: {error.strerror}")


def _name_first(new: Path, path: Path) -> None:
    """Give a complete file its name. Raises FileExistsError if there is such a file."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links, so the name is reserved by an empty file for a moment
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, _PRIVATE))
        new.replace(path)
    else:
        new.unlink()


def _sync_directory(path: Path) -> None:
    """Wait until the new name of a file in this directory is on the disk."""
    with suppress(PermissionError):  # the directory may be writable, but not readable
        directory = os.open(path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
