"""Backup files: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cloud66_async import Cloud66, Forbidden, NotFound, Secret, models
from cloud66_async.models import BackupFile, BackupFileUrl
from cloud66_async.resources.backup_files import DownloadedFile
from cloud66_async.sandbox import FakeCloud66, FakeStack, Reply, Request
from cloud66_async.sandbox.storage import SIZE, content

from ..sandbox.caller import Caller
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.BackupFile: """
        id name
    """,
    models.BackupFileUrl: """
        ok public_url
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.backup_files.list("a", 7), ("GET", "/stacks/a/backups/7/files.json?page=1", None)),
    (lambda c66: c66.backup_files.get("a", 7, "tar-aa"), ("GET", "/stacks/a/backups/7/files/tar-aa.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
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


def get_stored(call: Caller, web: FakeStack, headers: dict[str, str], *, change: tuple[str, str] = ("", "")) -> Reply:
    """Return the response of the storage to the URL of a file, after a change of the URL."""
    backup = call.get(f"/stacks/{web.uid}/backups")[0]["id"]
    public_url: str = call.get(f"/stacks/{web.uid}/backups/{backup}/files/tar-aa")["public_url"]
    url = urlsplit(public_url.replace("%25", "%"))
    return call.fake.handle(Request("GET", f"{url.path}?{url.query}".replace(*change), headers))


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        ({}, 200, slice(None)),
        ({"range": "bytes=150000-"}, 206, slice(150_000, None)),
        ({"range": "bytes=5-9"}, 206, slice(5, 10)),
        ({"range": "bytes=199999-900000"}, 206, slice(199_999, None)),
        ({"range": "bytes=150000-", "if-range": '"other"'}, 200, slice(None)),
    ],
)
def test_storage_serves_ranges(
    headers: dict[str, str], status: int, expected: slice, call: Caller, web: FakeStack
) -> None:
    whole = get_stored(call, web, {}).body
    assert len(whole) == SIZE
    reply = get_stored(call, web, headers)
    assert (reply.status, reply.body) == (status, whole[expected])
    assert get_stored(call, web, {**headers, "if-range": reply.header("etag") or ""}).status in (200, 206)


def test_storage_rejects_what_real_storage_rejects(call: Caller, web: FakeStack) -> None:
    assert get_stored(call, web, {}, change=("signature=", "signature=0")).status == 403
    assert get_stored(call, web, {}, change=("%2F", "%252F")).status == 403  # encoded twice, as the API returns it
    assert get_stored(call, web, {}, change=("tar-aa", "tar-zz")).status == 403
    assert get_stored(call, web, {}, change=("expires=1", "expires=9")).status == 403
    assert get_stored(call, web, {"authorization": "Bearer x"}).status == 400
    beyond = get_stored(call, web, {"range": f"bytes={SIZE}-"})
    assert (beyond.status, beyond.header("content-range")) == (416, f"bytes */{SIZE}")
    assert call.fake.handle(Request("POST", "/storage/a")).status == 405


async def test_signed_url_expires(fake: FakeCloud66, call: Caller, web: FakeStack, tmp_path: Path) -> None:
    assert get_stored(call, web, {}).status == 200
    async with fake.clock.running(), fake.client() as c66:
        backup = (await c66.backups.list(web.uid))[0].id
        url = urlsplit((await c66.backup_files.get(web.uid, backup, "tar-aa")).public_url.reveal())
        await fake.clock.sleep(timedelta(minutes=16).total_seconds())
        assert fake.handle(Request("GET", f"{url.path}?{url.query}")).status == 403
        # The URL of each download is a new one.
        assert (await c66.backup_files.download(web.uid, backup, "tar-aa", tmp_path / "a")).size == SIZE


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


async def start(connected: Connected) -> tuple[Cloud66, str, int]:
    """Return the client, a stack and its first backup."""
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    backup = await c66.backups.list(stack).first()
    assert backup is not None
    return c66, stack, backup.id


async def stored(c66: Cloud66, stack: str, backup: int, file: str) -> bytes:
    """Return the content of a file in the sandbox."""
    found = await c66.backup_files.get(stack, backup, file)
    return content(urlsplit(found.public_url.reveal()).path)


async def test_each_file_is_downloaded(connected: Connected, tmp_path: Path) -> None:
    c66, stack, backup = await start(connected)
    bodies: list[bytes] = []
    for file in await c66.backup_files.list(stack, backup):
        assert file.name is not None
        path = tmp_path / file.name
        assert await c66.backup_files.download(stack, backup, file.id, path) == DownloadedFile(path, SIZE, False)
        assert path.read_bytes() == await stored(c66, stack, backup, file.id)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        bodies.append(path.read_bytes())
    assert len(set(bodies)) == len(bodies) == len(list(tmp_path.iterdir())) == 2


async def test_broken_download_continues_where_it_broke(connected: Connected, tmp_path: Path) -> None:
    c66, stack, backup = await start(connected)
    connected.fake.faults.cut(times=2, operation="storage.get")
    reported: list[tuple[int, int | None]] = []
    found = await c66.backup_files.download(
        stack, backup, "tar-aa", tmp_path / "a", progress=lambda size, total: reported.append((size, total))
    )
    assert found == DownloadedFile(tmp_path / "a", SIZE, False)
    assert (tmp_path / "a").read_bytes() == await stored(c66, stack, backup, "tar-aa")
    statuses = [request.status for request in connected.fake.requests if request.operations == ("storage.get",)]
    assert statuses == [200, 206, 206]
    assert reported == sorted(reported)
    assert reported[0] == (0, SIZE)
    assert reported[-1] == (SIZE, SIZE)


async def test_failed_download_is_continued_by_the_next_one(connected: Connected, tmp_path: Path) -> None:
    c66, stack, backup = await start(connected)
    connected.fake.faults.cut(operation="storage.get")
    connected.fake.faults.fail(403, times=2, operation="storage.get")
    with pytest.raises(Forbidden, match="cannot download backup file 'tar-aa'"):
        await c66.backup_files.download(stack, backup, "tar-aa", tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.part", "a.part.json"]
    assert (await c66.backup_files.download(stack, backup, "tar-aa", tmp_path / "a")).resumed
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == await stored(c66, stack, backup, "tar-aa")


async def test_rejected_url_is_replaced_once(connected: Connected, tmp_path: Path) -> None:
    c66, stack, backup = await start(connected)
    connected.fake.faults.fail(403, operation="storage.get")
    assert (await c66.backup_files.download(stack, backup, "tar-aa", tmp_path / "a")).size == SIZE
    assert connected.fake.calls("backup_files.get") == 2
