"""Backup files: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import NotFound, Secret
from cloud66_async.models import BackupFile, BackupFileUrl
from cloud66_async.sandbox import FakeStack

from ..sandbox.caller import Caller
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .fields import field_names
from .wire import Sent, Use, sent

# --- wire form -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (lambda c66: c66.backup_files.list("a", 7), ("GET", "/stacks/a/backups/7/files.json?page=1", None)),
        (lambda c66: c66.backup_files.get("a", 7, "tar-aa"), ("GET", "/stacks/a/backups/7/files/tar-aa.json", None)),
    ],
)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_signature_is_decoded_once_and_the_url_is_a_secret() -> None:
    url = "https://storage.example.com/x?signature=a%252Fb%253D"
    async with client(Script(make_response({"response": {"ok": True, "public_url": url}}))) as c66:
        found = await c66.backup_files.get("a", 7, "tar")
    assert found.public_url == Secret("https://storage.example.com/x?signature=a%2Fb%3D")
    assert "signature" not in repr(found)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    backup = call.get(f"/stacks/{web.uid}/backups")[0]["id"]
    path = f"/stacks/{web.uid}/backups/{backup}/files"
    files = call.get(path)
    assert {frozenset(file) for file in files} == {frozenset(field_names(BackupFile))}
    assert call.get(f"{path}/{files[0]['id']}").keys() == field_names(BackupFileUrl)


# --- story ---------------------------------------------------------------------------------------


async def test_url_of_each_file_is_read(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    backup = await c66.backups.list(stack).first()
    assert backup is not None
    for file in await c66.backup_files.list(stack, backup.id):
        found = await c66.backup_files.get(stack, backup.id, file.id)
        assert file.name is not None
        assert file.name in found.public_url.reveal()
    with pytest.raises(NotFound):
        await c66.backup_files.get(stack, backup.id, "none")
