"""Downloads to a disk that is full, slow or changed by others meanwhile."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cloud66_async import errors

from ..conftest import PoolName
from ..support import ONCE, ReceivedRequest
from .storage import BODY, names, rest, storage, whole


async def test_missing_directory_is_noticed_before_anything_is_sent(tmp_path: Path) -> None:
    async with storage("own", whole()) as used:
        with pytest.raises(FileNotFoundError) as caught:
            await used.download(tmp_path / "none" / "a")
        with pytest.raises(IsADirectoryError):
            await used.download(tmp_path)
        os.mkfifo(tmp_path / "pipe.part")
        with pytest.raises(FileExistsError, match="not a regular file"):
            await used.download(tmp_path / "pipe")
        (tmp_path / "link.part").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="symbolic links"):
            await used.download(tmp_path / "link")
    assert caught.value.filename == str(tmp_path / "none" / "a.part")
    assert not used.api.received


async def test_full_disk_raises_the_error_of_the_system(
    transport: PoolName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    room = 10_000

    def write(descriptor: int, data: bytes) -> int:
        nonlocal room
        if threading.current_thread() is threading.main_thread() or len(data) < 1000:
            return real(descriptor, data)
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(descriptor, data[:room])
        room -= written
        return written

    async with storage(transport, whole(), lambda _: rest(10_000)) as used:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", write)
            with pytest.raises(OSError, match="No space left") as caught:
                await used.download(tmp_path / "a")
        assert caught.value.filename == str(tmp_path / "a.part")
        assert (tmp_path / "a.part").read_bytes() == BODY[:10_000]
        assert (await used.download(tmp_path / "a")).resumed
    assert (tmp_path / "a").read_bytes() == BODY
    assert len(used.files.received) == 2


LIMITED = """
import asyncio, resource, sys
from cloud66_async import Cloud66

async def main(url, path):
    async with Cloud66("token", url=url) as c66:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            await c66.backup_files.download("web", 7, "tar-aa", path)
        except OSError as error:
            print(error.errno, error.filename)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_size_limit_of_the_process_raises_the_error_of_the_system(tmp_path: Path) -> None:
    async with storage("own", whole()) as used:
        command = [sys.executable, "-c", LIMITED, used.api.url, str(tmp_path / "a")]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(errno.EFBIG), str(tmp_path / "a.part")]
    assert names(tmp_path) == ["a.part", "a.part.json"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10_000


async def test_file_that_is_there_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    async with storage("own", whole(cut=20_000), rest(20_000), retry=ONCE) as used:
        with pytest.raises(errors.TransportError):
            await used.download(path)
        assert path.read_bytes() == b"old"
        await used.download(str(path))
    assert path.read_bytes() == BODY
    assert path.stat().st_mode & 0o777 == 0o600


async def test_two_downloads_do_not_write_to_one_file(tmp_path: Path) -> None:
    def serve(received: ReceivedRequest) -> bytes:
        return rest(20_000) if "range" in received.headers else whole()

    async with storage("own", whole(cut=20_000), serve, once=False) as used:
        first = asyncio.create_task(used.download(tmp_path / "a"))
        while not used.files.received:
            await asyncio.sleep(0)
        with pytest.raises(BlockingIOError, match="another download"):
            await used.download(tmp_path / "a")
        first.cancel()
        await asyncio.wait((first,))
        await used.download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY


async def test_event_loop_never_writes_and_buffers_are_small(
    transport: PoolName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = random.Random(2).randbytes(8 * 1024 * 1024)
    real, sizes = os.write, list[int]()

    def write(descriptor: int, data: bytes) -> int:
        if threading.current_thread() is threading.main_thread():
            assert len(data) < 1000  # the event loop wakes itself up with a byte
        else:
            sizes.append(len(data))
        return real(descriptor, data)

    async with storage(transport, whole(body)) as used:
        monkeypatch.setattr(os, "write", write)
        await used.download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == body
    assert len(sizes) > 8
    assert max(sizes) <= 1024 * 1024


async def test_download_is_cancelled_while_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, proceed, real = threading.Event(), threading.Event(), os.write

    def write(descriptor: int, data: bytes) -> int:
        if len(data) < 1000 or threading.current_thread() is threading.main_thread():
            return real(descriptor, data)
        writing.set()
        assert proceed.wait(60)
        return real(descriptor, data)

    async with storage("own", whole(cut=20_000), retry=ONCE) as used:
        monkeypatch.setattr(os, "write", write)
        task = asyncio.create_task(used.download(tmp_path / "a"))
        await asyncio.to_thread(writing.wait)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()  # the file must stay open until the thread has written to it
        proceed.set()
        await asyncio.wait((task,))
        assert task.cancelled()
    assert (tmp_path / "a.part").read_bytes() == BODY[:20_000]


async def test_error_of_the_callback_ends_the_download(tmp_path: Path) -> None:
    def fail(received: int, _: int | None) -> None:
        if received:
            raise LookupError

    async with storage("own", whole()) as used:
        with pytest.raises(LookupError):
            await used.download(tmp_path / "a", progress=fail)
    assert (tmp_path / "a.part").read_bytes() == BODY
