"""Backup files in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import backup_files as api
from ..crud import find, serve_list
from ..handling import Context, handles
from ..storage import sign
from ..table import Kind, Record, register
from .backups import BACKUPS

__all__ = ["BACKUP_FILES"]


def sample(backup: Record) -> Iterator[Record]:
    """Yield the two parts of a backup."""
    for part in ("tar-aa", "tar-ab"):
        yield {"id": part, "name": f"{backup['file_base']}.{part}"}


BACKUP_FILES = register(Kind("backup file", model=api.BackupFile, sample=sample, parent=BACKUPS))

serve_list(api.LIST, BACKUP_FILES)


@handles(api.GET)
def get_url(context: Context, stack: str, backup: str, file: str) -> Record:
    """Return a URL of a file in the storage of the sandbox."""
    record = find(context, BACKUP_FILES, stack, backup, file)
    return {"ok": True, "public_url": sign(context.request, f"{stack}/{backup}/{record['name']}", context.now)}
