"""Answers out of bytes, one after another: httptools' callbacks, and every bound and check on what comes."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from .failures import BadAnswer

__all__ = ["AnswerParser"]

MAX_HEAD = 64 * 1024
MAX_HEADERS = 256
MAX_INTERIM = 20
# Raw bytes in a row that bring no body on: an endless header, trailer or chunk extension ends here.
MAX_OVERHEAD = 2 * MAX_HEAD

_NO_BODY = (204, 304)
_INSPECTED = frozenset(map(len, ("content-length", "content-encoding", "transfer-encoding")))
_VERSIONS = ("1.1", "1.0")


class AnswerParser:
    """One answer at a time, as far as it has come.

    `complete` is true where no answer is awaited: before the first `begin` too. `started` says that a
    byte of it came, `size` is how much of the body did, `parts` are what of it was not yet taken;
    `surplus` says that more came than was asked for, `keep` that the server means to go on afterwards.
    """

    __slots__ = (
        "_framed",
        "_interim",
        "_is_head",
        "_limit",
        "_overhead",
        "_parser",
        "_received",
        "codings",
        "complete",
        "error",
        "head_done",
        "headers",
        "keep",
        "parts",
        "reason",
        "size",
        "started",
        "status",
        "surplus",
        "taken",
    )

    reason: bytes
    status: int
    size: int
    taken: int
    started: bool
    head_done: bool
    complete: bool
    surplus: bool
    keep: bool

    def __init__(self) -> None:
        self._parser: HttpResponseParser | None = None
        self._is_head = False
        self._limit = 0
        self.complete = True
        self.error: BadAnswer | None = None
        self.clear()

    def clear(self) -> None:
        """Let go of the last answer."""
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.codings: bytes | None = None
        self.parts: list[bytes] = []

    def begin(self, *, is_head: bool, limit: int) -> None:
        """Await an answer with a body of at most `limit` bytes; none at all if `is_head`. Follows `clear`."""
        if self._parser is None or self._is_head:
            # httptools cannot be told "no body": after a HEAD its parser still waits for one.
            self._parser = HttpResponseParser(self)
        self._is_head = is_head
        self._limit = limit
        self._received = self._overhead = self._interim = self.status = self.size = self.taken = 0
        self.head_done = self.complete = self.surplus = self.started = self._framed = False
        self.keep = True

    def feed(self, data: memoryview) -> None:
        """Take what came; `error` is set where it is no answer."""
        parser = self._parser
        if parser is None:
            return
        self.started = True
        self._received += len(data)
        before = self.size
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self.complete:
                self.surplus = True
            elif self.error is None:
                self.error = BadAnswer(f"what the server sent is no HTTP/1.1 answer: {error}")
        if not self.complete:
            self._overhead = self._overhead + len(data) if self.size == before else 0
            if self._overhead > MAX_OVERHEAD and self.error is None:
                self.error = BadAnswer("the answer's headers are too long")

    def feed_eof(self) -> None:
        """The server will send no more: that completes a body whose end nothing else marks."""
        if not self.complete and self.head_done and not self._framed:
            self.complete = True
            self.keep = False

    def take(self) -> list[bytes]:
        """The parts of the body that came since the last time."""
        parts, self.parts, self.taken = self.parts, [], self.size
        return parts

    def release(self) -> None:
        """Give up the parser, which refers back to this object."""
        self._parser = None

    # httptools calls these.

    def on_message_begin(self) -> None:
        """A message begins: one too many if the answer is complete."""
        if self.complete:
            self.surplus = True

    def on_status(self, reason: bytes) -> None:
        """Part of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        if not self.head_done:  # else a trailer, which must not pass for a header
            self.headers.append((name, value))

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
        self.head_done = True
        self.keep = parser.should_keep_alive()
        version = parser.get_http_version()
        self._inspect(version)
        if self._is_head:
            self.complete = True
            self.keep = version == "1.1" and not self._says_close()

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
        # Interim answers complete too; for them `head_done` is not set.
        if self.head_done:
            self.complete = True

    def _skip_interim(self, status: int) -> None:
        self._interim += 1
        self.headers = []
        self.reason = b""
        if status < 100:
            self.error = BadAnswer(f"the server answered with status {status:03}, which does not exist")
        elif status == 101:
            self.error = BadAnswer("the server switched to another protocol")
        elif self._interim > MAX_INTERIM:
            self.error = BadAnswer(f"more than {MAX_INTERIM} interim answers (1xx) came before the answer")

    def _inspect(self, version: str) -> None:
        headers = self.headers
        for name, value in headers:
            if len(name) in _INSPECTED:
                self._inspect_header(name.lower(), value.strip(b" \t"))
        if version not in _VERSIONS:
            self.error = BadAnswer(f"the server speaks HTTP/{version}, not HTTP/1.1")
        elif len(headers) > MAX_HEADERS or (self._received > MAX_HEAD and _size(headers) > MAX_HEAD):
            self.error = BadAnswer("the answer's headers are too long or too many")

    def _inspect_header(self, name: bytes, value: bytes) -> None:
        if name == b"content-encoding":
            self.codings = value if self.codings is None else self.codings + b"," + value
        elif name == b"transfer-encoding":
            if self._framed or value.lower() != b"chunked":
                self.error = BadAnswer("the answer's body comes in a transfer coding other than chunked")
            self._framed = True
        elif name == b"content-length":
            self._framed = True
            if int(value) > self._limit and not self._is_head and self.status not in _NO_BODY:
                self.error = self._too_long()

    def _says_close(self) -> bool:
        return any(name.lower() == b"connection" and b"close" in value.lower() for name, value in self.headers)

    def _too_long(self) -> BadAnswer:
        return BadAnswer(f"the answer's body is over {self._limit} bytes")


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)
