"""Files that only their owner can read."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError

__all__ = ["create_private_directory", "read_private", "write_private"]

_MAX_SIZE = 1024 * 1024
_OTHERS_ACCESS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Non-blocking, because opening a named pipe would otherwise wait until a process writes to it.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def read_private(path: Path) -> bytes | None:
    """Return the content of the file, or None if it does not exist. Raises ConfigError if other users can read it."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    try:
        _check_file(path, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_MAX_SIZE)
    finally:
        os.close(descriptor)


def write_private(path: Path, body: bytes) -> None:
    """Write the file atomically. It is created with permissions for its owner only.

    Only one process may do this at a time. Raises ConfigError, also if other users could replace the file.
    """
    if len(body) > _MAX_SIZE:
        raise ConfigError(f"cannot write {path}: more than {_MAX_SIZE} bytes; remove logins that are not used")
    try:
        _check_directory(path.parent)
        for abandoned in path.parent.glob(f".{path.name}.*.new"):
            abandoned.unlink(missing_ok=True)  # left by a process that was killed during a write
        _replace(path, body)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def create_private_directory(path: Path) -> None:
    """Create the directory and missing parents, for their owner only, whatever the umask.

    Raises OSError, and ConfigError if it belongs to another user or if other users could replace its files.
    """
    _create_directory(path)
    _check_directory(path)


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
            os.fsync(directory)  # the new directory entry must survive a power failure, too
        finally:
            os.close(directory)


def _check_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"cannot read {path}: not a regular file")
    if os.name != "posix":
        return
    if status.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"cannot read {path}: it belongs to another user")
    if status.st_mode & _OTHERS_ACCESS:
        raise ConfigError(f"other users can access the login in {path}; run: chmod 600 {shlex.quote(str(path))}")


def _check_directory(path: Path) -> None:
    if os.name != "posix":
        return
    status = path.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"the directory {path} belongs to another user; choose a directory of your own")
    if status.st_mode & _OTHERS_WRITE and not status.st_mode & stat.S_ISVTX:
        raise ConfigError(f"other users can replace files in {path}; run: chmod 700 {shlex.quote(str(path))}")


def _create_directory(path: Path) -> None:
    if path.is_dir():
        return
    if path.parent != path:
        _create_directory(path.parent)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return  # created by another process
    path.chmod(0o700)  # the umask may have removed permissions of the owner
