"""The head of an answer, as it came: status line and headers, in bytes.

llhttp has checked it, and takes nothing but CRLF for the end of a line: so every CRLF in it begins a header. Most
answers are asked for one or two of theirs, and finding those costs less than a call for each.
"""

from __future__ import annotations

__all__ = ["END", "cut", "pairs", "reason", "values"]

END = b"\r\n\r\n"


def cut(raw: bytes, skipped: int) -> bytes | None:
    """The first head in `raw` after so many others, without its END; None if that is not yet there."""
    for _ in range(skipped):
        raw = raw.lstrip(b"\r\n")
        end = raw.find(END)
        if end < 0:
            return None
        raw = raw[end + len(END) :]
    raw = raw.lstrip(b"\r\n")  # llhttp passes over empty lines before an answer
    end = raw.find(END)
    return None if end < 0 else raw[:end]


def reason(head: bytes) -> bytes:
    """The reason phrase, empty where there is none."""
    _, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    return rest.partition(b" ")[2]


def pairs(head: bytes) -> list[tuple[bytes, bytes]]:
    """All headers in their order and spelling."""
    lines = head.split(b"\r\n")
    del lines[0]
    split = [line.partition(b":") for line in lines]
    return [(name, value.strip(b" \t")) for name, _, value in split]


def values(head: bytes, name: bytes) -> list[bytes]:
    """The value of each header of this lower-case name."""
    return [value for key, value in pairs(head) if key.lower() == name]
