"""The status line and header section of a response as raw bytes.

llhttp has validated them and accepts only CRLF as the end of a line, so each CRLF starts a header. Most callers need
one or two headers: searching the bytes for those costs less than one parser callback for each header.
"""

from __future__ import annotations

__all__ = ["END", "extract", "pairs", "reason", "values"]

END = b"\r\n\r\n"


def extract(raw: bytes, skipped: int) -> bytes | None:
    """Return the first header section in `raw` after `skipped` others, without END, or None if it is incomplete."""
    for _ in range(skipped):
        raw = raw.lstrip(b"\r\n")
        end = raw.find(END)
        if end < 0:
            return None
        raw = raw[end + len(END) :]
    raw = raw.lstrip(b"\r\n")  # llhttp skips empty lines before a response
    end = raw.find(END)
    return None if end < 0 else raw[:end]


def reason(section: bytes) -> bytes:
    """Return the reason phrase, or empty bytes if there is none."""
    _, _, rest = section.partition(b"\r\n")[0].partition(b" ")
    return rest.partition(b" ")[2]


def pairs(section: bytes) -> list[tuple[bytes, bytes]]:
    """Return all headers in their original order and spelling."""
    lines = section.split(b"\r\n")
    del lines[0]
    split = [line.partition(b":") for line in lines]
    return [(name, value.strip(b" \t")) for name, _, value in split]


def values(section: bytes, name: bytes) -> list[bytes]:
    """Return the value of each header with this lower-case name."""
    return [value for key, value in pairs(section) if key.lower() == name]
