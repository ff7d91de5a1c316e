"""A backup on the way to the disk: a directory with its files, which become one file when all are there.

The directory is beside the target, with `.partial` at the end of its name. It holds one file for each file of the
backup, partial ones as the SDK leaves them, and `download.json`, which says what they are parts of. When all are
complete, they are appended to the first one and deleted one by one, so that the disk needs space for the backup and
one of its files. Every step can be interrupted and continued.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from ..exits import CommandError
from ..terminal.console import plain

__all__ = ["BackupParts", "safe_name"]

_STATE: Final = "download.json"
_JOINED: Final = "joined"
_COPIED: Final = 16 * 1024 * 1024  # bytes between two moments in which the copying can be interrupted
_UNSAFE: Final = re.compile(r"[^\w.,+@=-]+")


class _State(msgspec.Struct):
    """What the files in the directory are parts of, and the sizes of those that are complete."""

    source: str
    sizes: dict[str, int]


def safe_name(text: str | None, default: str) -> str:
    """Return a file name for what a server says, which must not lead to another directory."""
    name = _UNSAFE.sub("_", plain(text)).lstrip(".")
    return name[:200] or default


class BackupParts:
    """The files of a backup in their directory.

    Args:
        target: Where the backup is to be.
        source: What it is a backup of: the same text for each attempt.
        files: IDs of its files, in their order.
    """

    def __init__(self, target: Path, source: str, files: Sequence[str]) -> None:
        self.target = target
        self.directory: Path = target.with_name(f"{target.name}.partial")
        self._source = source
        self._files = {
            file: self.directory / f"{number:03}-{safe_name(file, 'file')}" for number, file in enumerate(files)
        }
        self._joined = self.directory / _JOINED
        self.sizes: dict[str, int] = {}

    @contextmanager
    def open(self) -> Generator[None]:
        """Create the directory or open the one of an earlier attempt, and lock it. Raises CommandError, OSError."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = self._lock()
        try:
            self._read()
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def path(self, file: str) -> Path:
        """Return where the file with this ID is written."""
        return self._files[file]

    @property
    def missing(self) -> list[str]:
        """The files that are not complete."""
        return [file for file in self._files if file not in self.sizes]

    @property
    def kept(self) -> int:
        """The bytes of earlier attempts."""
        partial = sum(_size(path.with_name(f"{path.name}.part")) or 0 for path in self._files.values())
        return partial + sum(self.sizes.values())

    def complete(self, file: str, size: int) -> None:
        """Note that a file is complete."""
        self.sizes[file] = size
        self._write()

    def join(self, size: int = _COPIED) -> Generator[None]:
        """Append all files to one, give it its final name, and delete the rest. Yields after each `size` bytes."""
        done = sum(self.sizes[file] for file, path in self._files.items() if not path.exists())
        waiting = [path for path in self._files.values() if path.exists()]
        if not done and waiting:
            waiting.pop(0).replace(self._joined)
            done = self._joined.stat().st_size
        with self._joined.open("r+b") as joined:
            joined.seek(done)  # over what an earlier attempt has appended of the next file
            for path in waiting:
                with path.open("rb") as part:
                    while data := part.read(size):
                        joined.write(data)
                        yield
                joined.flush()
                os.fsync(joined.fileno())
                path.unlink()
            os.fsync(joined.fileno())
        self._joined.replace(self.target)
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- what is on the disk -----------------------------------------------------------------------

    def _lock(self) -> int | None:
        """Lock the directory: of two downloads, the second must not append to what the first one appends to."""
        if sys.platform == "win32":
            return None
        import fcntl

        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise CommandError(f"another download writes to {self.directory}", "Wait until it has ended.") from None
        except OSError:  # this file system has no locks
            os.close(descriptor)
            return None
        return descriptor

    def _read(self) -> None:
        """Read which files are complete. Delete what is of another backup. Raises CommandError."""
        state: _State | None = None
        with suppress(FileNotFoundError, msgspec.DecodeError):
            state = msgspec.json.decode((self.directory / _STATE).read_bytes(), type=_State)
        if state is not None and state.source == self._source:
            self._take(state.sizes)
            return
        found = list(self.directory.iterdir())
        if found and state is None:
            raise CommandError(
                f"{self.directory} is not the directory of an unfinished download",
                "Move or delete it, or choose another place with --output.",
            )
        for path in found:
            path.unlink()
        self._write()

    def _take(self, sizes: Mapping[str, int]) -> None:
        """Take the sizes of files that are there, or that an interrupted attempt has appended and deleted."""
        appended = _size(self._joined)
        for file, path in self._files.items():
            size = sizes.get(file)
            if size is not None and _size(path) == size:
                self.sizes[file] = size
                appended = None
            elif size is not None and appended is not None and appended >= size and not path.exists():
                self.sizes[file] = size
                appended -= size
            else:
                appended = None

    def _write(self) -> None:
        path = self.directory / _STATE
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(_State(self._source, self.sizes)))
        new.replace(path)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
