from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Show the backups of the PostgreSQL databases."""
    async for backup in c66.backups.list(stack, db_type="postgresql"):
        print(backup.backup_date, backup.backup_size, backup.backup_status)


async def create(c66: Cloud66, stack: str) -> None:
    """Back up two databases every night, and keep the last 7 backups."""
    await c66.backups.create(
        stack,
        db_type=["postgresql", "redis"],
        frequency="0 2 * * *",
        keep_count=7,
        gzip=True,
    )


async def import_backup(c66: Cloud66, stack: str) -> None:
    """Import a backup from another place, and look at the result."""
    url = "https://files.example.com/dump.tar?signature=..."
    await c66.backups.import_backup(stack, group=1, db_type="postgresql", remote_url=url)
    newest = await c66.backups.list(stack, group=1).first()
    if newest is not None:
        backup = await c66.backups.get(stack, newest.id)
        print(backup.restore_status, backup.restore_result)
