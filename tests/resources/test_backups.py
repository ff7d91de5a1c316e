"""Backups: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import Secret, models
from cloud66_async.models import Backup, BackupStatus, RestoreStatus, VerifyStatus
from cloud66_async.sandbox import FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Backup: """
        id server_uid file_name db_type database_name file_base backup_date_iso backup_status backup_result
        restore_status restore_result verify_status verify_result storage_path skip_tables backup_size
        logical_backup created_at_iso updated_at_iso
    """,
    models.BackupStatus: {0: "ok", 1: "failed"},
    models.RestoreStatus: {0: "not restored", 1: "restoring", 2: "restored", 3: "failed"},
    models.VerifyStatus: {0: "not verified", 1: "verifying", 2: "verified", 3: "failed", 4: "could not be verified"},
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.backups.list("a"), ("GET", "/stacks/a/backups.json?page=1", None)),
    (
        lambda c66: c66.backups.list("a", group=3, db_type="redis"),
        ("GET", "/stacks/a/backups.json?group=3&db_type=redis&page=1", None),
    ),
    (lambda c66: c66.backups.get("a", 7), ("GET", "/stacks/a/backups/7.json", None)),
    (lambda c66: c66.backups.create("a"), ("POST", "/stacks/a/backups.json", {})),
    (
        lambda c66: c66.backups.create("a", db_type=["mysql", "redis"], keep_count=5, gzip=True, logical_backup=False),
        (
            "POST",
            "/stacks/a/backups.json",
            {"db_type": "mysql,redis", "keep_count": 5, "gzip": True, "logical_backup": False},
        ),
    ),
    (
        lambda c66: c66.backups.import_backup("a", group=3, db_type="mysql", remote_url=Secret("https://x/y")),
        ("POST", "/stacks/a/backups.json", {"db_type": "mysql", "group": 3, "remote_url": "https://x/y"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    backups = call.get(f"/stacks/{web.uid}/backups")
    dates = {"backup_date", "created_at", "updated_at"}
    assert {frozenset(backup) for backup in backups} == {frozenset(field_names(Backup) - dates)}


def test_incomplete_import_is_rejected(call: Caller, web: FakeStack) -> None:
    body = {"remote_url": "https://x/y", "db_type": "mysql"}
    assert error_code(call("POST", f"/stacks/{web.uid}/backups.json", body)) == "bad_request"


# --- story ---------------------------------------------------------------------------------------


async def test_backups_are_created_and_listed(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    before = await c66.backups.list(stack)
    assert (await c66.backups.create(stack, db_type=["redis"], logical_backup=True)).ok
    created = await c66.backups.list(stack, db_type="redis").first()
    assert created is not None
    assert (created.backup_status, created.verify_status) == (BackupStatus.OK, VerifyStatus.VERIFIED)
    assert created.logical_backup
    assert created.created_at == created.backup_date == created.backup_date_iso
    assert await c66.backups.get(stack, created.id) == created
    assert len(await c66.backups.list(stack)) == len(before) + 1


async def test_external_backup_is_imported(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    await c66.backups.import_backup(stack, group=1, db_type="mysql", remote_url="https://example.com/dump.sql")
    imported = await c66.backups.list(stack, db_type="mysql").first()
    assert imported is not None
    assert imported.restore_status is RestoreStatus.RESTORED
