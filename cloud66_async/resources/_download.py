"""Downloads: files from a signed URL, written to disk and continued after a broken connection."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._core.deadline import time_left
from .._core.response import BufferedResponse
from ..config import USER_AGENT
from ..errors import (
    APIError,
    Forbidden,
    NotFound,
    RequestTimeout,
    ResponseError,
    ServerError,
    Throttled,
    TransportError,
)
from ..secret import Secret
from ..transport import SharedHeaders, StreamRequest
from ._partial_file import PartialFile, Version, run_in_thread
from ._signed_url import SignedUrl, parse_signed_url

if TYPE_CHECKING:
    from .._core.sender import Sender
    from ..operation import Call
    from ..transport import ResponseStream

__all__ = ["Download", "DownloadedFile"]

logger = logging.getLogger("cloud66_async")

Progress = Callable[[int, int | None], object]
Problem = APIError | TransportError | ResponseError

BUFFER_SIZE: Final = 512 * 1024
FLUSH_SECONDS: Final = 0.5
"""Received data is written after this time at the latest, so that progress is visible on slow connections, too."""

ENOUGH: Final = 1024 * 1024
"""Bytes after which a broken connection counts as the first one again: a large file may take more than a few."""

MAX_REDIRECTS: Final = 5
MAX_CHANGES: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_EXPIRED: Final = frozenset({400, 401, 403})  # S3 and Azure respond with 403, Google with 400
_KINDS: Final[dict[int, type[APIError]]] = {403: Forbidden, 404: NotFound, 408: RequestTimeout, 429: Throttled}
_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)").fullmatch
_LENGTH: Final = re.compile(r"[0-9]{1,18}").fullmatch


class DownloadedFile(NamedTuple):
    """A downloaded file.

    Args:
        path: Where it is.
        size: Its size in bytes.
        resumed: Whether a part of it is from an earlier, unfinished download.
    """

    path: Path
    size: int
    resumed: bool


class _ExpiredUrl(Exception):
    """The storage does not accept the signed URL, or not any more."""

    def __init__(self, error: APIError) -> None:
        super().__init__()
        self.error = error


class _ChangedFile(Exception):
    """The partial file is not a part of what the storage has now."""

    def __init__(self, error: ResponseError) -> None:
        super().__init__()
        self.error = error


class Download:
    """One download.

    Args:
        sender: Sends the requests.
        call: The call that returns the signed URL. It decides what is retried.
        locate: Returns a new signed URL.
        file: Where the data is written.
        progress: Called with the bytes on disk and the size of the file, or None if it is unknown.
    """

    def __init__(
        self,
        sender: Sender,
        call: Call[Any],
        locate: Callable[[], Awaitable[Secret]],
        file: PartialFile,
        progress: Progress | None,
    ) -> None:
        self._sender = sender
        self._call = call
        self._locate = locate
        self._file = file
        self._progress = progress
        self._renewed = False
        self._changes = 0

    async def run(self, *, resume: bool) -> DownloadedFile:
        """Download the file. If this raises or is cancelled, what has arrived stays in the partial file."""
        file = self._file
        try:
            await run_in_thread(partial(file.open, resume=resume))
            resumed = file.size > 0
            if resumed:
                self._report()
            if not file.complete:
                await self._download()
            await run_in_thread(file.finish)
        finally:
            file.close()
        return DownloadedFile(file.path, file.size, resumed)

    async def _download(self) -> None:
        """Send requests until the file is complete."""
        url = await self._find_url()
        attempt = 1
        while True:
            start = self._file.size
            try:
                await self._receive(url)
            except _ExpiredUrl as expired:
                problem: Problem | None = expired.error
                if not self._renewed:
                    self._renewed, problem = True, None
                    url = await self._find_url()
            except _ChangedFile as changed:
                self._changes += 1
                problem = changed.error if self._changes > MAX_CHANGES else None
                await run_in_thread(partial(self._file.restart, None))
            except (ServerError, RequestTimeout, Throttled, TransportError) as error:
                problem = error
            else:
                return
            if problem is not None:
                if self._file.size - start >= ENOUGH:
                    attempt = 1
                if not await self._pause(problem, attempt):
                    try:
                        raise problem
                    finally:
                        del problem  # break the reference cycle: error -> traceback -> frame -> error
                attempt += 1

    async def _find_url(self) -> SignedUrl:
        found = parse_signed_url(await self._locate())
        if found is None:
            raise ResponseError(f"invalid URL of {self._file.source}: expected https and no user name")
        return found

    async def _receive(self, url: SignedUrl) -> None:
        """Request what is missing and write it. Redirects start from `url` each time: their targets may expire."""
        for redirects in range(MAX_REDIRECTS + 1):
            host = url.origin.host
            async with self._sender.stream(self._request(url)) as response:
                if response.status not in _REDIRECTS:
                    await self._save(response, host)
                    return
                if redirects == MAX_REDIRECTS:
                    raise self._unexpected(response, host, f"more than {MAX_REDIRECTS} redirects")
                found = url.redirect(response.headers.get("location", ""))
                if found is None:
                    raise self._unexpected(response, host, "the redirect leads to an invalid or insecure URL")
            url = found

    def _request(self, url: SignedUrl) -> StreamRequest:
        # No token: the storage is another server, and the URL is signed. No compression: with it, a range would count
        # compressed bytes.
        headers = [("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", USER_AGENT)]
        validator = self._file.validator
        if validator:
            headers += [("Range", f"bytes={self._file.size}-"), ("If-Range", validator)]
        # No limit for the whole file, which may take hours.
        timeouts = self._sender.timeouts._replace(total=None)
        return StreamRequest(origin=url.origin, target=url.target, headers=SharedHeaders(headers), timeouts=timeouts)

    async def _save(self, response: ResponseStream, host: str) -> None:
        """Write the body of the response, which is either the whole file or what is missing of it."""
        file, status = self._file, response.status
        if status == 200:
            total = _length(response)
            if total is None and "transfer-encoding" not in response.headers:
                raise self._unexpected(response, host, "no Content-Length, so a broken connection would go unnoticed")
            await run_in_thread(partial(file.restart, Version(file.source, _validator(response), total)))
        elif file.validator and status == 206:
            self._check_range(response, host)
        elif file.validator and status == 416:
            raise _ChangedFile(self._unexpected(response, host, "the file is shorter than before"))
        else:
            self._raise_for_status(response, host)
        self._renewed = False
        self._report()
        await self._write(response, host)
        assert file.version is not None
        if file.version.total not in (None, file.size):
            raise TransportError(f"{host} sent {file.size} of {file.version.total} bytes of {file.source}")

    def _check_range(self, response: ResponseStream, host: str) -> None:
        """Check that the response continues the partial file. Some servers ignore `If-Range`."""
        version = self._file.version
        assert version is not None
        found = _RANGE(response.headers.get("content-range", ""))
        if found is None or int(found[1]) != self._file.size:
            raise self._unexpected(response, host, "it does not continue where the partial file ends")
        total = None if found[3] == "*" else int(found[3])
        validator = _validator(response)
        if (version.total is not None and total not in (None, version.total)) or (
            validator and validator != version.validator
        ):
            raise _ChangedFile(self._unexpected(response, host, "the file has changed"))

    async def _write(self, response: ResponseStream, host: str) -> None:
        """Write data in a thread, in large parts: the event loop never waits for the disk."""
        file = self._file
        assert file.version is not None
        total = file.version.total
        buffer = bytearray()
        due = time.monotonic() + FLUSH_SECONDS
        try:
            async for data in response:
                buffer += data
                if total is not None and file.size + len(buffer) > total:
                    buffer.clear()
                    raise self._unexpected(response, host, f"more than {total} bytes")
                if len(buffer) >= BUFFER_SIZE or time.monotonic() >= due:
                    full, buffer = buffer, bytearray()
                    await run_in_thread(partial(file.write, full))
                    self._report()
                    due = time.monotonic() + FLUSH_SECONDS
        finally:
            if buffer:  # also after an error or when cancelled: it need not be sent again
                await run_in_thread(partial(file.write, buffer))
                self._report()

    def _report(self) -> None:
        if self._progress is not None:
            version = self._file.version
            self._progress(self._file.size, None if version is None else version.total)

    def _raise_for_status(self, response: ResponseStream, host: str) -> None:
        """Raise the error for this status. The body is not read: it may repeat the signature."""
        status = response.status
        if 200 <= status < 300:
            raise self._unexpected(response, host, "expected 200, or 206 for a range")
        kind = _KINDS.get(status, ServerError if status >= 500 else APIError)
        error = kind(
            f"cannot download {self._file.source}: {status} from {host}",
            status=status,
            operation=f"GET {host}",
            response=_without_body(response),
        )
        if status in _EXPIRED:
            raise _ExpiredUrl(error)
        raise error

    def _unexpected(self, response: ResponseStream, host: str, reason: str) -> ResponseError:
        return ResponseError(
            f"unexpected response of {host} for {self._file.source} ({response.status}): {reason}",
            response=_without_body(response),
        )

    async def _pause(self, problem: Problem, attempt: int) -> bool:
        """Wait before the next attempt. Return False if there is none."""
        sender = self._sender
        pause = sender.retry.pause(self._call, problem, attempt, sender.clock.now())
        if pause is None or pause >= time_left():
            return False
        logger.info("continuing %s at byte %d in %.1f s: %s", self._file.source, self._file.size, pause, problem)
        await sender.clock.sleep(pause)
        return True


def _length(response: ResponseStream) -> int | None:
    found = response.headers.get("content-length", "")
    return int(found) if _LENGTH(found) else None


def _validator(response: ResponseStream) -> str:
    """Return what identifies this version of the file in `If-Range`, or an empty string if it cannot be continued.

    A weak ETag does not: the server may give the same one to files that differ (RFC 9110, section 13.1.5).
    """
    etag = response.headers.get("etag", "")
    if etag.startswith('"'):
        return etag if etag.isascii() and etag.isprintable() else ""
    changed = response.headers.get("last-modified", "")
    return changed if not etag and changed.isascii() and changed.isprintable() else ""


def _without_body(response: ResponseStream) -> BufferedResponse:
    """Return the status of the response. A header may repeat the signature, such as the URL of a redirect."""
    return BufferedResponse(response.status, b"")
