"""Backup files: the files that a backup consists of."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs

from .._core.model import Model
from ..operation import get, many
from ..pager import Pager
from ..secret import Secret
from ._download import Download, DownloadedFile
from ._partial_file import PartialFile
from ._resource import Resource

__all__ = ["BackupFile", "BackupFileUrl", "BackupFiles", "DownloadedFile"]


@attrs.frozen(kw_only=True)
class BackupFile(Model):
    """One file of a backup."""

    id: str  # similar to an extension, for example `tar` or `tar-aa`
    name: str | None = None


@attrs.frozen(kw_only=True)
class BackupFileUrl(Model):
    """Download URL of a backup file. It works without a token, so it is a secret."""

    public_url: Secret
    ok: bool | None = None


LIST = get("/stacks/{stack}/backups/{backup:int}/files.json", many(BackupFile), scope="public")
GET = get("/stacks/{stack}/backups/{backup:int}/files/{file}.json", BackupFileUrl, scope="public")


class BackupFiles(Resource):
    """Files of a backup."""

    def list(self, stack: str, backup: int) -> Pager[BackupFile]:
        """List the files of the backup."""
        return self._pages(LIST.bind(stack=stack, backup=backup))

    async def get(self, stack: str, backup: int, file: str) -> BackupFileUrl:
        """Return the URL of the backup file with this ID.

        The API encodes the signature in the URL twice; the SDK undoes it, as the official client does.
        """
        found = await self._call(GET.bind(stack=stack, backup=backup, file=file))
        return attrs.evolve(found, public_url=Secret(found.public_url.reveal().replace("%25", "%")))

    async def download(
        self,
        stack: str,
        backup: int,
        file: str,
        path: str | os.PathLike[str],
        *,
        resume: bool = True,
        progress: Callable[[int, int | None], object] | None = None,
    ) -> DownloadedFile:
        """Download the backup file to `path`, which only you can read. A file that is there is replaced at the end.

        Until then, the data is in a file beside it whose name ends in `.part`. It is kept if the download fails or is
        cancelled. After a broken connection, it continues where it stopped, as often as `retry` allows; a connection
        that transferred a mebibyte or more does not count. The `total` timeout does not apply.

        Raises OSError if the file cannot be written, for example FileNotFoundError if its directory does not exist, or
        BlockingIOError if another download writes to it; ResponseError if the storage sends anything other than the
        file; and the errors of `get`, also for error responses of the storage.

        Args:
            stack: uid of the stack.
            backup: ID of the backup.
            file: ID of the file.
            path: Where to write the file.
            resume: Whether to continue the partial file of an earlier download, unless the backup file has changed.
            progress: Function that is called with the bytes on disk and the size of the file, or None if it is unknown.
        """

        async def locate() -> Secret:
            return (await self._fresh.get(stack, backup, file)).public_url  # a URL may have expired

        call = GET.bind(stack=stack, backup=backup, file=file)
        partial = PartialFile(Path(path), f"backup file {file!r} of backup {backup} of stack {stack!r}")
        return await Download(self._sender, call, locate, partial, progress).run(resume=resume)
