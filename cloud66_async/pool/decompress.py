"""Bodies without their content codings, never more of them than a bound allows."""

from __future__ import annotations

import zlib

from .errors import InvalidResponse

__all__ = ["decompress"]

_GZIP = 31  # zlib's `wbits` for: a gzip header and trailer
_ZLIB = 15
_RAW = -15
_GZIP_MAGIC = b"\x1f\x8b"


def decompress(body: bytes, codings: bytes, limit: int) -> bytes:
    """The body as it was before these codings (the value of `Content-Encoding`) were applied.

    Raises InvalidResponse for an unknown coding, for a body that is cut or damaged, and as soon as any step
    gives more than `limit` bytes.
    """
    if not body:
        return body
    for coding in reversed(codings.lower().split(b",")):
        match coding.strip(b" \t"):
            case b"gzip" | b"x-gzip":
                body = _inflate(body, _GZIP, limit)
            case b"deflate":
                body = _inflate(body, _ZLIB if _has_zlib_header(body) else _RAW, limit)
            case b"identity" | b"":
                pass
            case unknown:
                raise InvalidResponse(
                    f"the server packed its answer in a way not asked for: {unknown.decode('latin-1')!r}"
                )
    return body


def _has_zlib_header(body: bytes) -> bool:
    # Servers disagree on whether "deflate" has one (RFC 9110, section 8.4.1.2, asks for it).
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _inflate(packed: bytes, wbits: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    room = limit
    while True:
        member = zlib.decompressobj(wbits)
        try:
            piece = member.decompress(packed, room + 1)
        except zlib.error:
            raise InvalidResponse("the packed body of the answer is damaged") from None
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            raise InvalidResponse(f"the answer's body is over {limit} bytes when unpacked")
        if not member.eof:
            raise InvalidResponse("the packed body of the answer is cut short")
        packed = member.unused_data
        # Several gzip members are one body (RFC 1952, section 2.2); anything else behind one is padding.
        if wbits != _GZIP or not packed.startswith(_GZIP_MAGIC):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
