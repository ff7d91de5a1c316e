"""The commands `backups` and below."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ...client import Cloud66
from ...resources.backups import Backup, BackupStatus, VerifyStatus
from ...resources.common import DatabaseSelection, DatabaseType
from ..exits import USAGE, CommandError
from ..lookup.names import find_stack, full_name
from ..options import (
    DEFAULT_ACCESS,
    DEFAULT_OUTPUT,
    Access,
    AsJSON,
    ChangedStackName,
    Environment,
    Output,
    StackName,
    Yes,
)
from ..running import run
from ..terminal.console import is_terminal, plain, print_line, report
from ..terminal.durations import duration
from ..terminal.output import Field, Listing
from ..terminal.prompts import confirm
from ..work.downloads import Destination, Plan, download, newest_first, plan
from ..work.progress import DEFAULT_PROGRESS, Progress
from ..work.transfer import size_of

__all__ = ["BACKUPS", "app"]

app: App = App(
    name="backups",
    help="List the backups of a stack, or download one.",
    help_format="plaintext",
    result_action="return_value",
)


def _result_style(backup: Backup) -> str:
    return {BackupStatus.OK: "green", BackupStatus.FAILED: "red", None: ""}.get(backup.backup_status, "")


def _verified_style(backup: Backup) -> str:
    failed = (VerifyStatus.FAILED, VerifyStatus.COULD_NOT_BE_VERIFIED)
    return "red" if backup.verify_status in failed else ""


BACKUPS: Listing[Backup] = Listing.of_models(
    "backup",
    Field("id", lambda backup: backup.id),
    Field("type", lambda backup: backup.db_type),
    Field("database", lambda backup: backup.database_name),
    Field("time", lambda backup: backup.backup_date, title="ago"),
    Field(
        "size",
        lambda backup: backup.backup_size,
        shown=lambda backup: "" if backup.backup_size is None else size_of(backup.backup_size),
    ),
    Field("result", lambda backup: backup.backup_status, style=_result_style),
    Field("verified", lambda backup: backup.verify_status, style=_verified_style, dropped=3),
    Field("restored", lambda backup: backup.restore_status, dropped=2),
    Field("file", lambda backup: backup.file_name, dropped=1),
)


@app.default
def backups(
    stack: StackName,
    *,
    environment: Environment = None,
    db_type: Annotated[DatabaseType | None, Parameter(help="Type of the databases.")] = None,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the managed backups of a stack, the newest first."""
    output.check(BACKUPS)
    run(_list(access.open(), output, stack, environment, db_type))


async def _list(c66: Cloud66, output: Output, name: str, environment: str | None, db_type: DatabaseType | None) -> None:
    async with c66:
        stack = await find_stack(c66, name, environment)
        found = await c66.backups.list(stack.uid, db_type=db_type)
    empty = (f"{full_name(stack)} has no {'' if db_type is None else db_type + ' '}backups.",)
    output.show(BACKUPS, newest_first(found), empty=empty)


@app.command(name="download")
def download_backup(
    stack: StackName,
    backup: Annotated[int | None, Parameter(help="ID of the backup; the default is the newest that succeeded.")] = None,
    *,
    environment: Environment = None,
    directory: Annotated[
        Path | None,
        Parameter(name=["--directory", "-d"], help="Directory for the file; the default is the current one."),
    ] = None,
    file: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Name of the file; the default is Cloud 66's name for it.")
    ] = None,
    as_json: AsJSON = False,
    yes: Yes = False,
    progress: Progress = DEFAULT_PROGRESS,
    access: Access = DEFAULT_ACCESS,
) -> None:
    """Download a backup to one file, or continue a download.

    For example:
      cloud66-async backups download billing-web/production -d backups

    All files of the backup become one. If the download is interrupted, the same command continues it.
    """
    if directory is not None and file is not None:
        raise CommandError("--directory and --output exclude each other", code=USAGE)
    destination = Destination(directory or Path(), file)
    found = run(_plan(access, stack, environment, backup, destination))
    if found.target.is_dir():
        raise CommandError(f"{found.target} is a directory", "To write to it: -d", code=USAGE)
    if found.target.exists():
        confirm(f"replace {found.target}", yes=yes)
    started = time.monotonic()
    size = run(_download(access.open(), found, progress, beside=as_json or access.debug))
    if as_json:
        values = {"path": str(found.target), "size": size, "backup": found.backup.id, "stack": found.stack.uid}
        print_line(json.dumps(values, separators=(",", ":")))
    elif not is_terminal():
        print_line(str(found.target))  # for another program
    elif not progress.quiet:
        report(f"{found.target}: {size_of(size)} in {duration(time.monotonic() - started)}")


async def _plan(
    access: Access, name: str, environment: str | None, number: int | None, destination: Destination
) -> Plan:
    async with access.open() as c66:
        return await plan(c66, access, await find_stack(c66, name, environment), number, destination)


async def _download(c66: Cloud66, found: Plan, progress: Progress, *, beside: bool) -> int:
    async with c66:
        return await download(c66, found, progress, beside=beside)


@app.command
def new(
    stack: ChangedStackName,
    *,
    environment: Environment = None,
    db_type: Annotated[
        list[DatabaseSelection] | None,
        Parameter(name=["--db-type", "--dbtypes"], negative="", help="Types of the databases; may be repeated."),
    ] = None,
    frequency: Annotated[str | None, Parameter(help="When to repeat it, in cron's format.")] = None,
    keep: Annotated[int | None, Parameter(help="Number of backups to keep.")] = None,
    gzip: Annotated[bool | None, Parameter(help="Compress the backups.")] = None,
    exclude_tables: Annotated[str | None, Parameter(help="Tables to leave out, separated by commas.")] = None,
    run_on_replica: Annotated[bool | None, Parameter(help="Back up a replica if there is one.")] = None,
    logical: Annotated[bool | None, Parameter(help="Write text backups, not binary ones.")] = None,
    access: Access = DEFAULT_ACCESS,
) -> None:
    """Create a backup task for the databases of a stack.

    For example:
      cloud66-async backups new web/production --db-type postgresql --keep 50
    """

    async def create() -> None:
        async with access.open() as c66:
            found = await find_stack(c66, stack, environment, changing=True)
            outcome = await c66.backups.create(
                found.uid,
                db_type=db_type,
                frequency=frequency,
                keep_count=keep,
                gzip=gzip,
                excluded_tables=exclude_tables,
                run_on_replica_server=run_on_replica,
                logical_backup=logical,
            )
        said = plain(outcome.message)
        if outcome.ok is False:
            raise CommandError(f"Cloud 66 did not create the backup task: {said or 'no reason given'}")
        report(f"{full_name(found)}: {said or 'backup task created'}")

    run(create())
