"""Downloading a backup: which one, where to, all of its files concurrently, and how to continue it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ...bulk import Failed
from ...client import Cloud66
from ...errors import Cloud66Error, NotFound
from ...resources._partial_file import run_in_thread
from ...resources.backups import Backup, BackupStatus
from ...resources.stacks import Stack
from ..exits import USAGE, CommandError, Stopped, failure_of
from ..lookup.names import full_name
from ..options import Access
from ..terminal.console import plain
from ..terminal.output import count, time_of
from .backup_parts import BackupParts, safe_name
from .progress import Progress
from .transfer import Meter, show_transfer, size_of

__all__ = ["Destination", "Plan", "download", "newest_first", "plan"]

_CONCURRENT: Final = 4  # files at a time; a single connection rarely uses the whole line


class Destination(NamedTuple):
    """Where to write: a directory, or the file itself."""

    directory: Path
    file: Path | None = None


class Plan(NamedTuple):
    """A download that is ready to start.

    Args:
        stack: The stack.
        backup: The backup.
        files: IDs of its files, in their order.
        target: Where it is to be.
        again: Command that continues it.
    """

    stack: Stack
    backup: Backup
    files: Sequence[str]
    target: Path
    again: str


async def plan(c66: Cloud66, access: Access, stack: Stack, number: int | None, destination: Destination) -> Plan:
    """Find out what to download, and where to. Raises CommandError.

    Args:
        c66: Client.
        access: Login and account, which the command that continues it needs as well.
        stack: The stack.
        number: ID of the backup, or None for the newest one that succeeded.
        destination: Where to write.
    """
    backup = await _find(c66, stack, number)
    files = sorted([file.id for file in await c66.backup_files.list(stack.uid, backup.id)])
    if not files:
        raise CommandError(f"backup {backup.id} of {full_name(stack)} has no files")
    name = safe_name(backup.file_name or backup.file_base, f"backup-{backup.id}")
    target = destination.file or destination.directory / name
    where = ["--output", str(target)] if destination.file else ["-d", str(destination.directory)]
    again = ["cloud66-async", "backups", "download", full_name(stack), str(backup.id), *where, *_options(access)]
    return Plan(stack, backup, files, target, shlex.join(again))


async def _find(c66: Cloud66, stack: Stack, number: int | None) -> Backup:
    """Return the backup with this ID, or the newest that succeeded. Raises CommandError."""
    if number is None:
        return _newest(await c66.backups.list(stack.uid), stack)
    try:
        return await c66.backups.get(stack.uid, number)
    except NotFound:
        name = full_name(stack)
        text = f"{name} has no backup {number}"
        raise CommandError(text, f"See: cloud66-async backups {shlex.quote(name)}") from None


def _options(access: Access) -> list[str]:
    account = [] if access.account is None else ["--account", str(access.account)]
    return [*account, *([] if access.profile is None else ["--profile", access.profile])]


def _newest(backups: Sequence[Backup], stack: Stack) -> Backup:
    """Return the newest backup that succeeded. Raises CommandError if there is none, or one for each database."""
    good = newest_first([backup for backup in backups if backup.backup_status == BackupStatus.OK])
    by_database: dict[tuple[str | None, str | None], Backup] = {}
    for backup in good:
        by_database.setdefault((backup.db_type, backup.database_name), backup)
    if len(by_database) == 1:
        return good[0]
    if not good:
        advice = f"List them: cloud66-async backups {full_name(stack)}" if backups else ""
        raise CommandError(f"{full_name(stack)} has no backup that succeeded", *([advice] if advice else []))
    lines = [
        f"  {backup.id}  {plain(kind)} {plain(database)}, {time_of(backup.backup_date)}"
        for (kind, database), backup in by_database.items()
    ]
    raise CommandError(f"{full_name(stack)} has backups of {len(lines)} databases. Which one?", *lines, code=USAGE)


def newest_first(backups: Iterable[Backup]) -> list[Backup]:
    """Return backups by their time, the newest first."""
    return sorted(
        backups,
        key=lambda backup: (backup.backup_date.timestamp() if backup.backup_date else 0.0, backup.id),
        reverse=True,
    )


async def download(c66: Cloud66, found: Plan, progress: Progress, *, beside: bool = False) -> int:
    """Download all files of a backup and join them to one. Return its size.

    `beside` tells that something else is printed on the terminal meanwhile.

    Raises CommandError, or Stopped if it is cancelled; both say how to continue.
    """
    source = f"backup {found.backup.id} of stack {found.stack.uid}"
    try:
        found.target.parent.mkdir(parents=True, exist_ok=True)
        parts = BackupParts(found.target, source, found.files)
        with parts.open():
            kept = f", {size_of(parts.kept)} of them from before" if parts.kept else ""
            files = count(len(found.files), "file")
            title = f"Backup {found.backup.id} of {full_name(found.stack)} to {found.target}: {files}{kept}"
            meter = Meter(found.files)
            async with show_transfer(meter, progress, title=title, beside=beside):
                await _download(c66, found, parts, meter)
            await _join(parts)
            return sum(parts.sizes.values())
    except asyncio.CancelledError:
        raise Stopped("Stopped. What has been downloaded is kept.", f"Continue: {found.again}") from None
    except Cloud66Error as error:
        failure = failure_of(error)
        raise CommandError(failure.text, *failure.advice, f"Continue: {found.again}", code=failure.code) from None
    except OSError as error:
        text = f"cannot write {error.filename or found.target}: {error.strerror or error}"
        raise CommandError(text, f"Continue: {found.again}") from None


async def _download(c66: Cloud66, found: Plan, parts: BackupParts, meter: Meter) -> None:
    """Download the files that are not complete. A failure of one does not end the others."""
    for file, size in parts.sizes.items():
        meter.note(file, size, size)

    async def fetch(file: str) -> None:
        done = await c66.backup_files.download(
            found.stack.uid, found.backup.id, file, parts.path(file), progress=partial(meter.note, file)
        )
        parts.complete(file, done.size)

    failed: Cloud66Error | None = None
    async with c66.each(fetch, parts.missing, limit=_CONCURRENT) as results:
        async for result in results:
            if isinstance(result, Failed):
                failed = failed or result.error
    if failed is not None:
        raise failed


async def _join(parts: BackupParts) -> None:
    steps = parts.join()
    while await run_in_thread(partial(next, steps, False)) is not False:
        pass
