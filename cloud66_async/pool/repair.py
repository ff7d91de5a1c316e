"""Header sections that llhttp rejects, but browsers and other HTTP libraries accept, in the form that llhttp accepts.

These are lines that end with LF, folded lines, and a Content-Length that is repeated with the same value (RFC 9112,
sections 2.2, 5.2 and 6.3).
"""

from __future__ import annotations

import re

__all__ = ["repair"]

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] [0-9]{3}(?![0-9])")
_STATUS_LENGTH = len(b"HTTP/1.1 200\r")
_LINE_END = re.compile(rb"\r?\n")
_SECTION_END = re.compile(rb"\n\r?\n")


def repair(data: bytes) -> bytes | None:
    """Return `data` with its header sections repaired, those of interim responses included.

    Returns `data` itself if it does not start with a response, and None if the last section is not complete yet.
    """
    repaired: list[bytes] = []
    rest = data
    while True:
        rest = rest.lstrip(b"\r\n")
        if repaired and len(rest) < _STATUS_LENGTH:
            return None
        if _STATUS_LINE.match(rest) is None:
            return data
        end = _SECTION_END.search(rest)
        if end is None:
            return None
        repaired.append(_repair_section(rest[: end.start()]))
        interim = rest[9:10] == b"1" and rest[9:12] != b"101"
        rest = rest[end.end() :]
        if not interim:
            return b"".join([*repaired, rest])


def _repair_section(section: bytes) -> bytes:
    lines: list[bytes] = []
    for line in _LINE_END.split(section.removesuffix(b"\r")):
        if line[:1] in {b" ", b"\t"} and len(lines) > 1:
            lines[-1] += b" " + line.lstrip(b" \t")
        else:
            lines.append(line)
    kept: list[bytes] = []
    lengths: set[bytes] = set()
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            first = not lengths
            lengths.update(part.strip(b" \t") for part in value.split(b","))
            if first:
                kept.append(b"%b: %b" % (name, min(lengths)))
        else:
            kept.append(line)
    # Several values are conflicting: llhttp rejects the lines as they are.
    return b"\r\n".join([*(lines if len(lengths) > 1 else kept), b"", b""])
