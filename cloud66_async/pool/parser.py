"""Answers out of bytes, one after another: httptools' callbacks, and every bound and check on what comes."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from . import headers
from .errors import InvalidResponse

__all__ = ["ResponseParser"]

MAX_HEAD = 64 * 1024
MAX_HEADERS = 256
MAX_INTERIM = 20
# Raw bytes in a row that bring no body on: an endless header, trailer or chunk extension ends here.
MAX_OVERHEAD = 2 * MAX_HEAD

_NEARLY_EVERY_HEAD = 2048
_SHORTEST_HEADER = len(b"A:\r\n")


class ResponseParser:
    """One answer at a time, as far as it has come.

    `complete` is true where no answer is awaited: before the first `begin` too. `received` is how many
    bytes of it came, `size` how many of its body did, `parts` are what of it was not yet taken;
    `head` is what stands before the body, `lowered` the same in lower case. `surplus` says that more
    came than was asked for, `keep` that the server means to go on afterwards.
    """

    __slots__ = (
        "_before",
        "_framed",
        "_interim",
        "_is_head",
        "_limit",
        "_overhead",
        "_parser",
        "codings",
        "complete",
        "error",
        "header_section",
        "headers_done",
        "keep",
        "lowered",
        "parts",
        "received",
        "size",
        "status",
        "surplus",
        "taken",
    )

    status: int
    size: int
    taken: int
    received: int
    headers_done: bool
    complete: bool
    surplus: bool
    keep: bool

    def __init__(self) -> None:
        self._parser: HttpResponseParser | None = None
        self._before = bytearray()
        self._is_head = False
        self._limit = 0
        self.complete = True
        self.error: InvalidResponse | None = None
        self.clear()

    def clear(self) -> None:
        """Let go of the last answer."""
        self.header_section: bytes = b""
        self.lowered: bytes = b""
        self.codings: bytes | None = None
        self.parts: list[bytes] = []

    def begin(self, *, is_head: bool, limit: int) -> None:
        """Await an answer with a body of at most `limit` bytes; none at all if `is_head`. Follows `clear`."""
        if self._parser is None or self._is_head:
            # httptools cannot be told "no body": after a HEAD its parser still waits for one.
            self._parser = HttpResponseParser(self)
        self._is_head = is_head
        self._limit = limit
        self.received = self._overhead = self._interim = self.status = self.size = self.taken = 0
        self.headers_done = self.complete = self.surplus = self._framed = False
        self.keep = True

    def feed(self, data: memoryview) -> None:
        """Take what came; `error` is set where it is no answer."""
        parser = self._parser
        if parser is None:
            return
        self.received += len(data)
        before = self.size
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self.complete:
                self.surplus = True
            elif self.error is None:
                self.error = InvalidResponse(f"what the server sent is no HTTP/1.1 answer: {error}")
        if not self.header_section:
            self._read_head(data)
        if not self.complete:
            self._overhead = self._overhead + len(data) if self.size == before else 0
            if self._overhead > MAX_OVERHEAD and self.error is None:
                self.error = InvalidResponse("the answer's headers are too long")

    def feed_eof(self) -> None:
        """The server will send no more: that completes a body whose end nothing else marks."""
        if not self.complete and self.headers_done and not self._framed:
            self.complete = True
            self.keep = False

    def take(self) -> list[bytes]:
        """The parts of the body that came since the last time."""
        parts, self.parts, self.taken = self.parts, [], self.size
        return parts

    def release(self) -> None:
        """Give up the parser, which refers back to this object."""
        self._parser = None

    # httptools calls these. The headers are not among them: see `head`.

    def on_message_begin(self) -> None:
        """A message begins: one too many if the answer is complete."""
        if self.complete:
            self.surplus = True

    def on_headers_complete(self) -> None:
        """The head is there, an interim answer's or the answer's own."""
        parser = self._parser
        if self.surplus or parser is None:
            return
        status = parser.get_status_code()
        if status < 200:
            self._skip_interim(status)
            return
        self.status = status
        self.headers_done = True
        self.keep = parser.should_keep_alive()
        if self._is_head:
            self.complete = True

    def on_body(self, data: bytes) -> None:
        """Part of the body."""
        if self.complete:
            self.surplus = True
            return
        self.parts.append(data)
        self.size += len(data)
        if self.size > self._limit:
            self.error = self._too_long()

    def on_message_complete(self) -> None:
        """The answer, or an interim answer, is complete."""
        # Interim answers complete too; for them `headers_done` is not set.
        if self.headers_done:
            self.complete = True

    def _skip_interim(self, status: int) -> None:
        self._interim += 1
        if status < 100:
            self.error = InvalidResponse(f"the server answered with status {status:03}, which does not exist")
        elif status == 101:
            self.error = InvalidResponse("the server switched to another protocol")
        elif self._interim > MAX_INTERIM:
            self.error = InvalidResponse(f"more than {MAX_INTERIM} interim answers (1xx) came before the answer")

    def _read_head(self, data: memoryview) -> None:
        """Keep the head, if `data` ends it, and check what llhttp does not."""
        if not self.headers_done:
            self._before += data
            return
        if not self._before:
            head = headers.cut(bytes(data[:_NEARLY_EVERY_HEAD]), self._interim) or headers.cut(
                bytes(data), self._interim
            )
        else:
            head = headers.cut(bytes(self._before + data), self._interim)
            self._before.clear()
        assert head is not None
        self.header_section = head
        self.lowered = lowered = head.lower()
        if not head.startswith(b"HTTP/1."):
            self.error = InvalidResponse(f"the server speaks {head.partition(b' ')[0].decode('latin-1')}, not HTTP/1.1")
        elif len(head) > MAX_HEADERS * _SHORTEST_HEADER and (len(head) > MAX_HEAD or head.count(b"\r\n") > MAX_HEADERS):
            self.error = InvalidResponse("the answer's headers are too long or too many")
        elif b"-encoding:" in lowered:
            self._inspect_codings(head)
        if self._is_head:
            self.keep = head.startswith(b"HTTP/1.1") and not self._says_close()
        elif not self.complete:
            self._inspect_length(head)

    def _inspect_codings(self, head: bytes) -> None:
        codings = headers.values(head, b"content-encoding")
        if codings:
            self.codings = b",".join(codings)
        transfer = headers.values(head, b"transfer-encoding")
        if transfer:
            self._framed = True
            if len(transfer) > 1 or transfer[0].lower() != b"chunked":
                self.error = InvalidResponse("the answer's body comes in a transfer coding other than chunked")

    def _inspect_length(self, head: bytes) -> None:
        for value in headers.values(head, b"content-length"):
            self._framed = True
            if int(value) > self._limit:
                self.error = self._too_long()

    def _says_close(self) -> bool:
        return any(b"close" in value.lower() for value in headers.values(self.header_section, b"connection"))

    def _too_long(self) -> InvalidResponse:
        return InvalidResponse(f"the answer's body is over {self._limit} bytes")
