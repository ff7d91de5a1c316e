"""Downloads from a storage that misbehaves, over real sockets and with both transports."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import logging
import os
import random
import resource
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cloud66_async import Cloud66, ConfigError, Retry, Timeouts, errors
from cloud66_async._http.library import httpx
from cloud66_async.resources import _download
from cloud66_async.resources.backup_files import DownloadedFile

from ..conftest import PoolName
from ..support import ONCE, TOKEN, ReceivedRequest, RecordingClock, Script, Wire, client, make_response, packet, wire

BODY = random.Random(66).randbytes(50_000)
SIGNATURE = "a%2Fb%2B~c"
TARGET = f"/backups/db%20one.tar?expires=1&signature={SIGNATURE}"
ETAG = '"v1"'

Scripted = bytes | Callable[[ReceivedRequest], bytes]


class Storage(NamedTuple):
    """A client, its API, and the storage that the API's URLs lead to."""

    c66: Cloud66
    api: Wire
    files: Wire
    clock: RecordingClock

    async def download(self, path: str | Path, **options: Any) -> DownloadedFile:
        return await self.c66.backup_files.download("web", 7, "tar-aa", path, **options)

    @property
    def ranges(self) -> list[tuple[str | None, str | None]]:
        """The headers `Range` and `If-Range` of each request to the storage."""
        return [(each.headers.get("range"), each.headers.get("if-range")) for each in self.files.received]


@asynccontextmanager
async def storage(
    transport: PoolName, *replies: Scripted, once: bool = True, url: str | None = None, **options: Any
) -> AsyncGenerator[Storage]:
    """Start an API and a storage that returns these replies, the last one repeatedly."""
    waiting = list(replies)
    clock = RecordingClock()

    def serve(received: ReceivedRequest) -> bytes:
        reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return reply(received) if callable(reply) else reply

    def locate(_: ReceivedRequest) -> bytes:
        return packet(json.dumps({"response": {"ok": True, "public_url": url or files.url + TARGET}}).encode())

    async with (
        wire(serve, once=once) as files,
        wire(locate) as api,
        Cloud66(TOKEN, url=api.url, pool=transport, clock=clock, **options) as c66,
    ):
        yield Storage(c66, api, files, clock)


class Reports(list[tuple[int, int | None]]):
    """A progress callback that records its calls."""

    def __call__(self, received: int, total: int | None) -> None:
        self.append((received, total))


def whole(body: bytes = BODY, *headers: str, cut: int | None = None) -> bytes:
    """Return a response with the whole file, or one that breaks after `cut` bytes of it."""
    response = packet(body, "200 OK", *(headers or (f"ETag: {ETAG}",)))
    return response if cut is None else response[: len(response) - len(body) + cut]


def rest(start: int, *headers: str, size: int = len(BODY), cut: int | None = None) -> bytes:
    """Return a response with what is missing of the file."""
    body = BODY[start:]
    span = f"Content-Range: bytes {start}-{len(BODY) - 1}/{size}"
    response = packet(body, "206 Partial Content", span, *(headers or (f"ETag: {ETAG}",)))
    return response if cut is None else response[: len(response) - len(body) + cut]


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


# --- what is sent and shown ------------------------------------------------------------------------


async def test_storage_gets_no_token_and_nobody_sees_the_url(
    transport: PoolName, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with storage(transport, whole(cut=20_000), packet(b"", "403 No"), account=7) as used:
            with pytest.raises(errors.Forbidden) as caught:
                await used.download(tmp_path / "a")
    for received in used.files.received:
        assert received.target == TARGET
        known = {"host", "accept", "accept-encoding", "user-agent", "range", "if-range", "connection"}
        assert received.headers.keys() <= known
        assert received.headers["accept-encoding"] == "identity"
        assert received.headers["host"] == f"127.0.0.1:{used.files.port}"
        assert TOKEN not in repr(received)
    assert used.api.received[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "127.0.0.1" in str(caught.value)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(line for line in shown.format() if __file__ not in line) + caplog.text + repr(caught.value.response)
    assert "continuing backup file 'tar-aa'" in caplog.text
    for secret in (TOKEN, SIGNATURE, "signature="):
        assert secret not in text


async def test_file_is_stored_as_it_is_sent(transport: PoolName, tmp_path: Path) -> None:
    compressed = gzip.compress(BODY)
    async with storage(transport, whole(compressed, "Content-Encoding: gzip")) as used:
        await used.download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == compressed


# --- continued downloads ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "ranges"),
    [
        pytest.param([whole(cut=20_000), rest(20_000)], [("bytes=20000-", ETAG)], id="cut once"),
        pytest.param(
            [whole(cut=20_000), rest(20_000, cut=10_000), rest(30_000)],
            [("bytes=20000-", ETAG), ("bytes=30000-", ETAG)],
            id="cut twice",
        ),
        pytest.param(
            [whole(BODY, "Last-Modified: Mon, 02 Mar 2026 09:00:00 GMT", cut=1), rest(1, "X-A: b")],
            [("bytes=1-", "Mon, 02 Mar 2026 09:00:00 GMT")],
            id="last modified",
        ),
        pytest.param([whole(BODY, 'ETag: W/"v1"', cut=20_000), whole()], [(None, None)], id="weak ETag"),
        pytest.param([whole(BODY, "X-A: b", cut=20_000), whole()], [(None, None)], id="no validator"),
        pytest.param([whole(b"x" * 60_000, cut=20_000), whole()], [("bytes=20000-", ETAG)], id="range ignored"),
        pytest.param(
            [whole(b"x" * 50_000, cut=20_000), rest(20_000, 'ETag: "v2"'), whole()],
            [("bytes=20000-", ETAG), (None, None)],
            id="if-range ignored",
        ),
        pytest.param(
            [whole(b"x" * 60_000, cut=20_000), rest(20_000), whole()],
            [("bytes=20000-", ETAG), (None, None)],
            id="other size",
        ),
        pytest.param(
            [whole(b"x" * 60_000, cut=55_000), packet(b"", "416 No", "Content-Range: bytes */50000"), whole()],
            [("bytes=55000-", ETAG), (None, None)],
            id="416",
        ),
        pytest.param([b"", whole()], [(None, None)], id="no response"),
        pytest.param([packet(b"", "503 Slow Down"), whole()], [(None, None)], id="503"),
        pytest.param([packet(b"", "429 Slow Down"), whole()], [(None, None)], id="429"),
        pytest.param([packet(b"", "400 ExpiredToken"), whole()], [(None, None)], id="expired"),
        pytest.param(
            [packet(b"", "403 No"), whole(cut=20_000), packet(b"", "403 No"), rest(20_000)],
            [(None, None), ("bytes=20000-", ETAG), ("bytes=20000-", ETAG)],
            id="expired twice",
        ),
    ],
)
async def test_broken_download_becomes_complete(
    replies: Sequence[bytes], ranges: list[tuple[str | None, str | None]], transport: PoolName, tmp_path: Path
) -> None:
    async with storage(transport, *replies) as used:
        found = await used.download(tmp_path / "a")
    assert found == DownloadedFile(tmp_path / "a", len(BODY), False)
    assert (tmp_path / "a").read_bytes() == BODY
    assert used.ranges == [(None, None), *ranges]
    assert names(tmp_path) == ["a"]


async def test_attempts_are_bounded_and_their_pauses_grow(transport: PoolName, tmp_path: Path) -> None:
    async with storage(transport, packet(b"", "500 No")) as used:
        with pytest.raises(errors.ServerError, match="cannot download backup file 'tar-aa' of backup 7"):
            await used.download(tmp_path / "a")
    assert len(used.files.received) == 4
    assert len(used.clock.slept) == 3
    assert all(0 <= pause <= 0.5 * 2**number for number, pause in enumerate(used.clock.slept))
    assert len(used.api.received) == 1
    assert names(tmp_path) == []


async def test_attempts_start_anew_while_the_download_progresses(transport: PoolName, tmp_path: Path) -> None:
    step, body = 1024 * 1024, random.Random(1).randbytes(6 * 1024 * 1024)

    def serve(received: ReceivedRequest) -> bytes:
        start = int(received.headers.get("range", "bytes=0-")[6:-1])
        span = f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}"
        status = "206 Partial Content" if start else "200 OK"
        return packet(body[start:], status, span, f"ETag: {ETAG}")[: step + 200]

    async with storage(transport, serve, retry=Retry(attempts=2)) as used:
        await used.download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == body
    assert len(used.files.received) == 6


async def test_partial_file_is_continued_by_the_next_download(transport: PoolName, tmp_path: Path) -> None:
    async with storage(transport, whole(cut=20_000), rest(20_000), retry=ONCE) as used:
        with pytest.raises(errors.TransportError):
            await used.download(tmp_path / "a")
        assert names(tmp_path) == ["a.part", "a.part.json"]
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
        assert (tmp_path / "a.part").read_bytes() == BODY[:20_000]
        reported = Reports()
        found = await used.download(tmp_path / "a", progress=reported)
    assert found == DownloadedFile(tmp_path / "a", len(BODY), True)
    assert (tmp_path / "a").read_bytes() == BODY
    assert reported[0] == (20_000, len(BODY))
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("reason", ["resume=False", "other file", "damaged", "pipe", "too long"])
async def test_partial_file_that_cannot_be_continued_is_replaced(reason: str, tmp_path: Path) -> None:
    async with storage("own", whole(cut=20_000), whole(), retry=ONCE) as used:
        with pytest.raises(errors.TransportError):
            await used.download(tmp_path / "a")
        if reason == "damaged":
            (tmp_path / "a.part.json").write_bytes(b'{"validator":')
        elif reason == "pipe":
            (tmp_path / "a.part.json").unlink()
            os.mkfifo(tmp_path / "a.part.json")
        elif reason == "too long":
            (tmp_path / "a.part").write_bytes(BODY + b"x")
        file = "tar-zz" if reason == "other file" else "tar-aa"
        resume = reason != "resume=False"
        found = await used.c66.backup_files.download("web", 7, file, tmp_path / "a", resume=resume)
    assert not found.resumed
    assert used.ranges == [(None, None)] * 2
    assert (tmp_path / "a").read_bytes() == BODY


async def test_complete_partial_file_needs_no_request(tmp_path: Path) -> None:
    async with storage("own", whole(cut=20_000), retry=ONCE) as used:
        with pytest.raises(errors.TransportError):
            await used.download(tmp_path / "a")
        (tmp_path / "a.part").write_bytes(BODY)  # killed after the last byte
        assert (await used.download(tmp_path / "a")).resumed
    assert len(used.files.received) == len(used.api.received) == 1
    assert (tmp_path / "a").read_bytes() == BODY


async def test_file_that_keeps_changing_is_given_up(transport: PoolName, tmp_path: Path) -> None:
    changed = [whole(cut=20_000), rest(20_000, 'ETag: "v2"')]
    async with storage(transport, *changed * 20, retry=Retry(attempts=20)) as used:
        with pytest.raises(errors.ResponseError, match="the file has changed"):
            await used.download(tmp_path / "a")
    assert len(used.files.received) == 8


async def test_stalled_connection_is_replaced(transport: PoolName, tmp_path: Path) -> None:
    replies = (whole(cut=20_000), rest(20_000))
    async with storage(transport, *replies, once=False, timeout=Timeouts(read=0.1, total=5)) as used:
        await used.download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY


async def test_total_timeout_does_not_apply(transport: PoolName, tmp_path: Path) -> None:
    reported = Reports()

    def wait(received: int, total: int | None) -> None:
        if not reported:
            time.sleep(0.6)  # the deadline must pass before the rest arrives
        reported(received, total)

    body = random.Random(3).randbytes(4 * 1024 * 1024)
    async with storage(transport, whole(body), timeout=0.5, retry=ONCE) as used:
        await used.download(tmp_path / "a", progress=wait)
    assert (tmp_path / "a").read_bytes() == body


async def test_cancelled_download_keeps_the_partial_file(
    transport: PoolName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "FLUSH_SECONDS", 0)
    async with storage(transport, whole(cut=20_000), rest(20_000), once=False) as used:
        reported = Reports()
        task = asyncio.create_task(used.download(tmp_path / "a", progress=reported))
        while (20_000, len(BODY)) not in reported:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert (tmp_path / "a.part").read_bytes() == BODY[:20_000]
        assert (await used.download(tmp_path / "a")).resumed
    assert (tmp_path / "a").read_bytes() == BODY


# --- responses that are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "kind", "message"),
    [
        ([packet(b"<Error>signature=x</Error>", "404 No")], errors.NotFound, "404 from 127.0.0.1"),
        ([packet(b"", "410 Gone")], errors.APIError, "410 from 127.0.0.1"),
        ([packet(b"", "403 No")], errors.Forbidden, "403 from 127.0.0.1"),
        ([packet(b"", "204 Empty")], errors.ResponseError, "expected 200"),
        ([rest(20_000)], errors.ResponseError, "expected 200"),
        ([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"], errors.ResponseError, "no Content-Length"),
        ([whole(cut=20_000), rest(10_000)], errors.ResponseError, "does not continue"),
        ([whole(cut=20_000), packet(BODY, "206 Partial")], errors.ResponseError, "does not continue"),
        ([packet(b"", "302 Found", "Location: http://example.com/a")], errors.ResponseError, "insecure"),
        ([packet(b"", "302 Found", "Location: https://a:b@example.com/a")], errors.ResponseError, "insecure"),
        ([packet(b"", "302 Found", "Location: ftp://example.com/a")], errors.ResponseError, "insecure"),
        ([packet(b"", "302 Found", "Location: https://[::1/a")], errors.ResponseError, "insecure"),
        ([packet(b"", "302 Found", "Location: /again?signature=x")], errors.ResponseError, "more than 5 redirects"),
    ],
)
async def test_what_is_not_the_file_never_gets_its_name(
    replies: Sequence[bytes], kind: type[Exception], message: str, transport: PoolName, tmp_path: Path
) -> None:
    async with storage(transport, *replies) as used:
        with pytest.raises(kind, match=message) as caught:
            await used.download(tmp_path / "a")
    assert type(caught.value) is kind
    assert "signature" not in str(caught.value)
    assert "a" not in names(tmp_path)
    assert len(used.files.received) <= 6


async def test_chunked_file_without_length_is_complete_at_its_last_chunk(transport: PoolName, tmp_path: Path) -> None:
    start = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: {ETAG}\r\n\r\n".encode()
    chunk = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    reported = Reports()
    async with storage(transport, start + chunk, start + chunk + b"0\r\n\r\n") as used:
        await used.download(tmp_path / "a", progress=reported)
    assert (tmp_path / "a").read_bytes() == BODY
    assert used.ranges[1] == (f"bytes={len(BODY)}-", ETAG)
    assert {total for _, total in reported} == {None}


async def test_range_longer_than_announced_is_refused(transport: PoolName, tmp_path: Path) -> None:
    longer = packet(BODY, "206 Partial", f"Content-Range: bytes 20000-49999/{len(BODY)}")
    async with storage(transport, whole(cut=20_000), longer) as used:
        with pytest.raises(errors.ResponseError, match="more than 50000 bytes"):
            await used.download(tmp_path / "a")
    assert "a" not in names(tmp_path)


async def test_redirects_are_followed_without_credentials(transport: PoolName, tmp_path: Path) -> None:
    async with wire(lambda _: whole(), once=True) as other:
        hops = [packet(b"", f"{status} Moved", "Location: /next?a=1") for status in (301, 302, 303, 307)]
        last = packet(b"", "308 Moved", f"Location: {other.url}/moved?signature={SIGNATURE}")
        async with storage(transport, *hops, last) as used:
            await used.download(tmp_path / "a")
    assert [each.target for each in used.files.received] == [TARGET, *["/next?a=1"] * 4]
    assert [each.target for each in other.received] == [f"/moved?signature={SIGNATURE}"]
    assert not {"authorization", "referer", "cookie"} & other.received[0].headers.keys()
    assert (tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize(
    "url", ["http://storage.example.com/a", "https://u:p@storage.example.com/a", "/a/b", "https://a b/"]
)
async def test_url_that_is_not_secure_is_not_requested(url: str, tmp_path: Path) -> None:
    async with storage("own", whole(), url=url) as used:
        with pytest.raises(errors.ResponseError, match="invalid URL of backup file 'tar-aa'") as caught:
            await used.download(tmp_path / "a")
    assert url not in str(caught.value)
    assert names(tmp_path) == []


# --- the disk --------------------------------------------------------------------------------------


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
        assert proceed.wait(5)
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


# --- connections -----------------------------------------------------------------------------------


async def test_calls_do_not_wait_for_downloads(transport: PoolName, tmp_path: Path) -> None:
    async with storage(transport, whole(cut=20_000), once=False, limit=1) as used:
        task = asyncio.create_task(used.download(tmp_path / "a"))
        while not used.files.received:
            await asyncio.sleep(0.001)
        for _ in range(3):
            await used.c66.backup_files.get("web", 7, "tar-aa")
        assert not task.done()
        task.cancel()
        await asyncio.wait((task,))


async def test_closed_client_ends_downloads(transport: PoolName, tmp_path: Path) -> None:
    async with storage(transport, whole(cut=20_000), once=False, retry=ONCE) as used:
        task = asyncio.create_task(used.download(tmp_path / "a"))
        while not (tmp_path / "a.part.json").exists():
            await asyncio.sleep(0.001)
        await used.c66.aclose()
        with pytest.raises((errors.TransportError, ConfigError)):
            async with asyncio.timeout(5):
                await task
        with pytest.raises(ConfigError, match="closed"):
            await used.download(tmp_path / "b")


async def test_proxy_of_the_environment_is_used_for_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wire(lambda _: packet(b"", "403 Forbidden"), once=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with storage("own", whole(), url=f"https://storage.example.com{TARGET}", retry=ONCE) as used:
            with pytest.raises(errors.TransportError):
                await used.download(tmp_path / "a")
    assert [(each.method, each.target) for each in proxy.received] == [("CONNECT", "storage.example.com:443")]
    assert TOKEN not in repr(proxy.received)


async def test_transport_of_the_http_library_downloads_as_well(tmp_path: Path) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.host == "app.cloud66.com":
            return httpx.Response(200, json={"response": {"public_url": f"https://storage.example.com{TARGET}"}})
        assert "authorization" not in request.headers
        return httpx.Response(200, content=BODY, headers={"ETag": ETAG})

    async with Cloud66(TOKEN, transport=httpx.MockTransport(respond)) as c66:
        assert (await c66.backup_files.download("web", 7, "tar-aa", tmp_path / "a")).size == len(BODY)


@pytest.mark.parametrize("location", ["http://127.0.0.1/a", "http://storage.example.com/a"])
async def test_redirect_from_https_to_http_is_refused(location: str, tmp_path: Path) -> None:
    requested: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requested.append(request.url.host)
        if request.url.host == "app.cloud66.com":
            return httpx.Response(200, json={"response": {"public_url": f"https://storage.example.com{TARGET}"}})
        return httpx.Response(302, headers={"Location": location})

    async with Cloud66(TOKEN, transport=httpx.MockTransport(respond)) as c66:
        with pytest.raises(errors.ResponseError, match="insecure"):
            await c66.backup_files.download("web", 7, "tar-aa", tmp_path / "a")
    assert requested == ["app.cloud66.com", "storage.example.com"]


async def test_transport_that_cannot_stream_is_reported(tmp_path: Path) -> None:
    script = Script(make_response({"response": {"public_url": f"https://storage.example.com{TARGET}"}}))
    async with client(script) as c66:
        with pytest.raises(ConfigError, match="cannot stream responses"):
            await c66.backup_files.download("web", 7, "tar-aa", tmp_path / "a")
    assert names(tmp_path) == []
