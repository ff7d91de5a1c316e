from __future__ import annotations

from pathlib import Path

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Download every file of the newest backup."""
    backup = await c66.backups.list(stack).first()
    if backup is not None:
        async for file in c66.backup_files.list(stack, backup.id):
            path = Path(f"{backup.file_base}.{file.id}")
            done = await c66.backup_files.download(stack, backup.id, file.id, path)
            print(done.path, done.size)


async def url(c66: Cloud66, stack: str) -> None:
    """Show the URL of a file, which works without a token."""
    backup = await c66.backups.list(stack).first()
    if backup is not None:
        found = await c66.backup_files.get(stack, backup.id, "tar-aa")
        print(found.public_url.reveal())
