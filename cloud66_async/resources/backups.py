"""Backups: managed backups of a stack's databases."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .._core.model import IsoTimestamp, Model, OpenIntEnum, Timestamp
from .._core.parameters import CommaSeparated
from ..operation import get, many, post
from ..pager import Pager
from ..secret import Secret, conceal
from ._resource import Resource
from .common import DatabaseSelection, DatabaseType, Outcome

__all__ = ["Backup", "BackupStatus", "Backups", "RestoreStatus", "VerifyStatus"]


class BackupStatus(OpenIntEnum):
    """Result of a backup."""

    OK = 0
    FAILED = 1


class RestoreStatus(OpenIntEnum):
    """State of the latest restore of a backup."""

    NOT_RESTORED = 0
    RESTORING = 1
    RESTORED = 2
    FAILED = 3


class VerifyStatus(OpenIntEnum):
    """State of the verification of a backup."""

    NOT_VERIFIED = 0
    VERIFYING = 1
    VERIFIED = 2
    FAILED = 3
    COULD_NOT_BE_VERIFIED = 4


@attrs.frozen(kw_only=True)
class Backup(Model):
    """One backup of a database. `BackupFiles` downloads its files."""

    id: int
    server_uid: str | None = None
    file_name: str | None = None
    db_type: str | None = None  # type of the database; an open set
    database_name: str | None = None
    file_base: str | None = None
    backup_date: Timestamp | None = None  # time of the backup
    backup_date_iso: IsoTimestamp | None = None
    backup_status: BackupStatus | None = None
    backup_result: str | None = None  # result in words
    restore_status: RestoreStatus | None = None
    restore_result: str | None = None  # result in words
    verify_status: VerifyStatus | None = None
    verify_result: str | None = None  # result in words
    storage_path: str | None = None
    skip_tables: str | None = None  # tables that the backup does not contain
    backup_size: int | None = None  # in bytes
    logical_backup: bool | None = None  # whether it is a text backup, not a binary one
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


LIST = get(
    "/stacks/{stack}/backups.json",
    many(Backup),
    scope="public",
    query={"group": int | None, "db_type": DatabaseType | None},
)
GET = get("/stacks/{stack}/backups/{backup:int}.json", Backup, scope="public")
CREATE = post(
    "/stacks/{stack}/backups.json",
    Outcome,
    scope="admin",
    body={
        "db_type": CommaSeparated[list[DatabaseSelection]] | None,
        "frequency": str | None,
        "keep_count": int | None,
        "gzip": bool | None,
        "excluded_tables": str | None,
        "run_on_replica_server": bool | None,
        "logical_backup": bool | None,
        "group": int | None,
        "remote_url": Secret | None,
    },
)
IMPORT_BACKUP = CREATE.variant(body={"group": int, "db_type": DatabaseType, "remote_url": Secret})


class Backups(Resource):
    """Managed backups of a stack."""

    def list(self, stack: str, *, group: int | None = None, db_type: DatabaseType | None = None) -> Pager[Backup]:
        """List the backups of the stack, or only those of one backup group or of one type of database."""
        return self._pages(LIST.bind(stack=stack, group=group, db_type=db_type))

    async def get(self, stack: str, backup: int) -> Backup:
        """Return the backup with this ID."""
        return await self._call(GET.bind(stack=stack, backup=backup))

    async def create(
        self,
        stack: str,
        *,
        db_type: Iterable[DatabaseSelection] | None = None,
        frequency: str | None = None,
        keep_count: int | None = None,
        gzip: bool | None = None,
        excluded_tables: str | None = None,
        run_on_replica_server: bool | None = None,
        logical_backup: bool | None = None,
    ) -> Outcome:
        """Create a backup task. There is no action to wait for.

        Args:
            stack: uid of the stack.
            db_type: Types of the databases to back up.
            frequency: Schedule in cron's format.
            keep_count: Number of backups to keep.
            gzip: Whether to compress the backups.
            excluded_tables: Tables to leave out.
            run_on_replica_server: Whether to back up a replica if there is one.
            logical_backup: Whether to create text backups, not binary ones (known from the official client).
        """
        return await self._call(
            CREATE.bind(
                stack=stack,
                db_type=db_type,
                frequency=frequency,
                keep_count=keep_count,
                gzip=gzip,
                excluded_tables=excluded_tables,
                run_on_replica_server=run_on_replica_server,
                logical_backup=logical_backup,
            )
        )

    async def import_backup(
        self, stack: str, *, group: int, db_type: DatabaseType, remote_url: str | Secret
    ) -> Outcome:
        """Import an external backup into a backup group. Cloud 66 downloads it from `remote_url`."""
        remote_url = conceal(remote_url)
        return await self._call(IMPORT_BACKUP.bind(stack=stack, group=group, db_type=db_type, remote_url=remote_url))
