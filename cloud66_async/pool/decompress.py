"""Decompression of bodies, with limits on their size, on the steps and on the time between two of them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Generator

from .._core.limiter import INFINITY
from .._core.text import clean
from ..errors import TransportTimeout
from .errors import InvalidResponse

__all__ = ["decompress", "decompress_body"]

MAX_ENCODINGS = 5
MAX_MEMBERS = 2**18
# Input and output of one step: some milliseconds. Small windows also keep what zlib copies for each gzip member small.
FIRST_WINDOW = 16 * 1024
MAX_WINDOW = 64 * 1024
STEP_OUTPUT = 1024 * 1024
STEP_MEMBERS = 1024

_GZIP = 31  # zlib's `wbits` for a gzip header and trailer
_ZLIB = 15
_RAW = -15
_GZIP_MAGIC = b"\x1f\x8b"
# Encodings that cannot be passed over. The SDK requests and decompresses only the first three, without parameters.
_COMPRESSED = frozenset(
    b"gzip x-gzip deflate br zstd compress x-compress dcb dcz bzip2 xz lzma exi pack200-gzip".split()
)

_Steps = Generator[None, None, bytes]


def decompress(body: bytes, encodings: bytes, limit: int) -> bytes:
    """Return `body` decompressed. `encodings` is the value of `Content-Encoding`.

    An unknown encoding, such as `utf-8` or `none`, changes nothing, as in browsers. Raises InvalidResponse for an
    unsupported compression format, for too many encodings, for incomplete or invalid data, and as soon as the steps
    together produce more than `limit` bytes.
    """
    steps = _decompress(body, encodings, limit)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # the value of StopIteration is not typed


async def decompress_body(
    body: bytes, encodings: bytes, limit: int, *, status: int, deadline: float = INFINITY
) -> bytes:
    """Return the result of `decompress` without blocking the event loop for long.

    The body of an error response that cannot be decompressed counts as empty: its status says more than this error.
    Raises TransportTimeout if the event loop's time reaches `deadline`.
    """
    steps = _decompress(body, encodings, limit)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # the value of StopIteration is not typed
        except InvalidResponse:
            if status < 400:
                raise
            return b""
        await asyncio.sleep(0)
        if asyncio.get_running_loop().time() >= deadline:
            raise TransportTimeout("the response body was not decompressed in time (total timeout)", phase="total")


def _decompress(body: bytes, encodings: bytes, limit: int) -> _Steps:
    names = [name for part in encodings.lower().split(b",") if (name := part.strip(b" \t"))]
    if len(names) > MAX_ENCODINGS:
        raise InvalidResponse(f"too many encodings in the Content-Encoding of the response: {len(names)}")
    remaining = limit
    for name in reversed(names):
        if not body:
            return body
        match name:
            case b"gzip" | b"x-gzip":
                wbits = _GZIP
            case b"deflate":
                wbits = _ZLIB if _has_zlib_header(body) else _RAW
            case _ if name.partition(b";")[0].rstrip() in _COMPRESSED:
                raise InvalidResponse(
                    f"unsupported Content-Encoding in the response: {clean(name.decode('latin-1'))!r}"
                )
            case _:
                continue
        body = yield from _inflate(body, wbits, remaining, limit)
        remaining -= len(body)
    return body


def _has_zlib_header(body: bytes) -> bool:
    # Servers disagree on whether "deflate" includes this header, as RFC 9110, section 8.4.1.2, requires.
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _inflate(compressed: bytes, wbits: int, remaining: int, limit: int) -> _Steps:
    """Yield between two steps, and return the decompressed data of at most `remaining` bytes."""
    view = memoryview(compressed)
    results: list[bytes] = []
    position = 0
    for member in range(1, MAX_MEMBERS + 1):
        decompressor = zlib.decompressobj(wbits)
        window = FIRST_WINDOW
        while True:
            part = view[position : position + window]
            try:
                result = decompressor.decompress(part, min(STEP_OUTPUT, remaining + 1))
            except zlib.error:
                raise InvalidResponse("invalid compressed data in the response body") from None
            results.append(result)
            remaining -= len(result)
            if remaining < 0:
                raise InvalidResponse(f"the response body exceeds {limit} bytes when decompressed")
            position += len(part) - len(decompressor.unconsumed_tail)
            if decompressor.eof:
                break
            if not part and not result:
                raise InvalidResponse("incomplete compressed data in the response body")
            window = min(2 * window, MAX_WINDOW)
            yield
        position -= len(decompressor.unused_data)
        # Several gzip members form one body (RFC 1952, section 2.2). Anything else after a member is padding.
        if wbits != _GZIP or bytes(view[position : position + 2]) != _GZIP_MAGIC:
            return results[0] if len(results) == 1 else b"".join(results)
        if member % STEP_MEMBERS == 0:
            yield
    raise InvalidResponse(f"the response body consists of more than {MAX_MEMBERS} gzip members")
