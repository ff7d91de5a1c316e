"""Files that nobody else may read: how they are read and written."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError

__all__ = ["read_private", "write_private"]

_LONGEST = 1024 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# A named pipe in the file's place must not make the program wait for ever.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def read_private(path: Path) -> bytes | None:
    """What the file holds, None where it is not there. Raises ConfigError where others may read it."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    try:
        _check(path, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_LONGEST)
    finally:
        os.close(descriptor)


def write_private(path: Path, body: bytes) -> None:
    """Put this into the file, whole or not at all; it is for its owner alone from the first moment on.

    Only one process may do this at a time. Raises ConfigError, also where others could replace the file.
    """
    try:
        _check_directory(path.parent)
        for abandoned in path.parent.glob(f".{path.name}.*.new"):
            abandoned.unlink(missing_ok=True)  # of a process that was killed while it wrote
        _replace(path, body)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _replace(path: Path, body: bytes) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    if os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # the new name, too, must outlive a power cut
        finally:
            os.close(directory)


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is no ordinary file")
    if os.name != "posix":
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{path} belongs to another user: it is not read")
    if found.st_mode & _OTHERS:
        raise ConfigError(f"others may read {path}, and it holds a login: chmod 600 {shlex.quote(str(path))}")


def _check_directory(path: Path) -> None:
    if os.name != "posix":
        return
    mode = path.stat().st_mode
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        raise ConfigError(f"others may replace files in {path}: chmod 700 {shlex.quote(str(path))}")
