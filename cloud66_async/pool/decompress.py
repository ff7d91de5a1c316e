"""Decompression of bodies, with a limit on their size."""

from __future__ import annotations

import zlib

from .._core.text import clean
from .errors import InvalidResponse

__all__ = ["decompress"]

_GZIP = 31  # zlib's `wbits` for a gzip header and trailer
_ZLIB = 15
_RAW = -15
_GZIP_MAGIC = b"\x1f\x8b"


def decompress(body: bytes, encodings: bytes, limit: int) -> bytes:
    """Return `body` decompressed. `encodings` is the value of `Content-Encoding`.

    Raises InvalidResponse for an unsupported encoding, for incomplete or invalid data, and as soon as any step
    produces more than `limit` bytes.
    """
    if not body:
        return body
    for encoding in reversed(encodings.lower().split(b",")):
        match encoding.strip(b" \t"):
            case b"gzip" | b"x-gzip":
                body = _inflate(body, _GZIP, limit)
            case b"deflate":
                body = _inflate(body, _ZLIB if _has_zlib_header(body) else _RAW, limit)
            case b"identity" | b"":
                pass
            case unknown:
                raise InvalidResponse(
                    f"unsupported Content-Encoding in the response: {clean(unknown.decode('latin-1'))!r}"
                )
    return body


def _has_zlib_header(body: bytes) -> bool:
    # Servers disagree on whether "deflate" includes this header, as RFC 9110, section 8.4.1.2, requires.
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _inflate(compressed: bytes, wbits: int, limit: int) -> bytes:
    members: list[bytes] = []
    remaining = limit
    while True:
        decompressor = zlib.decompressobj(wbits)
        try:
            member = decompressor.decompress(compressed, remaining + 1)
        except zlib.error:
            raise InvalidResponse("invalid compressed data in the response body") from None
        members.append(member)
        remaining -= len(member)
        if remaining < 0:
            raise InvalidResponse(f"the response body exceeds {limit} bytes when decompressed")
        if not decompressor.eof:
            raise InvalidResponse("incomplete compressed data in the response body")
        compressed = decompressor.unused_data
        # Several gzip members form one body (RFC 1952, section 2.2). Anything else after a member is padding.
        if wbits != _GZIP or not compressed.startswith(_GZIP_MAGIC):
            return members[0] if len(members) == 1 else b"".join(members)
