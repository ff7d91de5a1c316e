"""Backups in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ...resources import backups as api
from ..crud import serve_get, serve_list
from ..handling import Context, handles
from ..parameters import bad_request
from ..samples import sample_uid, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = ["BACKUPS"]

_KINDS = ("postgresql", "redis")


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the last three daily backups of the database, the newest first."""
    for age in range(3):
        time = timestamp(stack.added_at - timedelta(days=age, hours=2))
        yield {"id": stack.number * 10 + 3 - age, **_fields(stack, "postgresql", time), "backup_size": 48_211_968}


BACKUPS = register(Kind("backup", model=api.Backup, sample=sample, newest_first=True))

serve_list(api.LIST, BACKUPS, filters={"group": "group", "db_type": "db_type"})
serve_get(api.GET, BACKUPS)


@handles(api.CREATE)
def create_backups(context: Context, stack: str) -> Record:
    """Create a backup of each database, or import one. There is no action to wait for."""
    found, given = context.stack(stack), context.parameters
    table, now = context.world.table(BACKUPS, found), timestamp(context.now)
    if "remote_url" in given:
        if "group" not in given or given.get("db_type", ["all"]) == ["all"]:
            raise bad_request("An import needs group, db_type and remote_url")
        table.create({**_fields(found, given["db_type"][0], now), "restore_status": 2, "group": given["group"]})
        return {"ok": True, "message": "Backup import started"}
    wanted = given.get("db_type", ["all"])
    for kind in _KINDS if "all" in wanted else wanted:
        logical = given.get("logical_backup", False)
        table.create({**_fields(found, kind, now), "logical_backup": logical, "backup_size": 48_300_032})
    return {"ok": True, "message": "Backup task created"}


def _fields(stack: FakeStack, kind: str, time: str) -> Record:
    """Return every field of a backup except its ID."""
    name = f"{stack.data['name']}_{stack.data['environment']}"
    file = f"{kind}_{name}_{time.replace(':', '').replace('-', '')}"
    return {
        "server_uid": stack.servers[-1]["uid"],
        "file_name": f"{file}.tar",
        "db_type": kind,
        "database_name": name,
        "file_base": file,
        "backup_date_iso": time,
        "backup_status": 0,
        "backup_result": "Completed successfully",
        "restore_status": 0,
        "restore_result": None,
        "verify_status": 2,
        "verify_result": "Verified",
        "storage_path": f"backups/{sample_uid('backup', stack.uid)}/{file}",
        "skip_tables": "",
        "backup_size": 0,
        "logical_backup": None,
        "created_at_iso": time,
        "updated_at_iso": time,
    }
