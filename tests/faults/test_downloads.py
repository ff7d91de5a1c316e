"""Downloads from a storage that misbehaves, over real sockets and with both transports."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import random
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest

from cloud66_async import Retry, Timeouts, errors
from cloud66_async.resources import _download
from cloud66_async.resources.backup_files import DownloadedFile

from ..conftest import PoolName
from ..support import ONCE, TOKEN, ReceivedRequest, packet, wire
from .storage import BODY, ETAG, SIGNATURE, TARGET, Reports, names, rest, storage, whole

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
    async with storage(transport, *replies, once=False, timeout=Timeouts(read=0.5, total=60)) as used:
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
