"""ResponseParser: httptools callbacks that parse responses, with every check and size limit."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from .._core.text import clean
from . import headers
from .errors import InvalidResponse

__all__ = ["ResponseParser"]

MAX_HEADER_SECTION = 64 * 1024
MAX_HEADERS = 256
MAX_INTERIM = 20
# Maximum consecutive bytes without body data. Bounds endless headers, trailers and chunk extensions.
MAX_OVERHEAD = 2 * MAX_HEADER_SECTION
# Long reads are parsed in steps, so that MAX_OVERHEAD depends little on how the bytes are split into reads.
STEP = 32 * 1024

# So many parts of a body are joined to one, so that small chunks do not take many times the memory of the body.
MAX_PARTS = 1024

_TYPICAL_SECTION = 2048
_SHORTEST_HEADER = len(b"A:\r\n")


class ResponseParser:
    """Parser for one response at a time.

    Attributes:
        complete: Whether no response is pending. Also true before the first `start`.
        headers_done: Whether the status line and headers have arrived.
        header_section: Status line and headers as received.
        lower_section: The same in lower case.
        content_encoding: Value of `Content-Encoding`, repeated headers joined, or None.
        status: HTTP status code, or 0 before the headers are done.
        data: Body data not yet consumed.
        received: Bytes received so far.
        size: Body bytes received so far.
        taken: Body bytes consumed so far.
        surplus: Whether the server sent more than one response.
        keep_alive: Whether the server keeps the connection open after this response.
        error: Why the response was rejected, or None.
    """

    __slots__ = (
        "_framed",
        "_interim",
        "_is_head",
        "_joined",
        "_limit",
        "_overhead",
        "_parser",
        "_pending",
        "complete",
        "content_encoding",
        "data",
        "error",
        "header_section",
        "headers_done",
        "keep_alive",
        "lower_section",
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
    keep_alive: bool

    def __init__(self) -> None:
        self._parser: HttpResponseParser | None = None
        self._pending = bytearray()
        self._is_head = False
        self._limit = 0
        self.complete = True
        self.error: InvalidResponse | None = None
        self.clear()

    def clear(self) -> None:
        """Release the data of the last response."""
        self.header_section: bytes = b""
        self.lower_section: bytes = b""
        self.content_encoding: bytes | None = None
        self.data: list[bytes] = []
        self._joined = 0

    def start(self, *, is_head: bool, limit: int) -> None:
        """Expect a response with a body of at most `limit` bytes, or without one if `is_head`. Call `clear` first."""
        if self._parser is None or self._is_head:
            # httptools has no option for "no body": after a HEAD request its parser still expects one.
            self._parser = HttpResponseParser(self)
        self._is_head = is_head
        self._limit = limit
        self.received = self._overhead = self._interim = self.status = self.size = self.taken = 0
        self.headers_done = self.complete = self.surplus = self._framed = False
        self.keep_alive = True

    def feed(self, raw: memoryview) -> None:
        """Parse received bytes. If they are invalid, `error` is set, even if the response is complete."""
        parser = self._parser
        assert parser is not None
        length = len(raw)
        if length > STEP and self._needs_steps(raw):
            self._feed_in_steps(raw)
            return
        self.received += length
        before = self.size
        try:
            parser.feed_data(raw)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self.complete:
                self.surplus = True
            elif self.error is None and not self._recover(raw):
                self.error = InvalidResponse(f"invalid HTTP/1.1 response: {error}")
        if not self.header_section:
            self._read_header_section(raw)
        if not self.complete:
            self._overhead = self._overhead + length if self.size == before else 0
            if self._overhead > MAX_OVERHEAD and self.error is None:
                self.error = InvalidResponse(f"more than {MAX_OVERHEAD} bytes of the response contain no body data")

    def _needs_steps(self, raw: memoryview) -> bool:
        """Return whether a long read may have trailers or chunk extensions, which only chunked responses have.

        Steps take longer: they split the body, which then has to be joined.
        """
        if self.headers_done:
            return b"chunked" in self.lower_section
        start = bytes(raw[:_TYPICAL_SECTION])
        only_section = not self._pending and headers.END in start and start[9:10] != b"1"
        return not only_section or b"chunked" in start.lower()

    def _feed_in_steps(self, raw: memoryview) -> None:
        for start in range(0, len(raw), STEP):
            self.feed(raw[start : start + STEP])

    def feed_eof(self) -> None:
        """Handle the end of the stream. It completes a body whose length was not given."""
        if not self.complete and self.headers_done and not self._framed:
            self.complete = True

    def take(self) -> list[bytes]:
        """Return the body data that arrived since the last call."""
        data, self.data, self.taken, self._joined = self.data, [], self.size, 0
        return data

    def release(self) -> None:
        """Drop the httptools parser, which refers back to this object."""
        self._parser = None

    # Callbacks of httptools. There is none for single headers: see the module `headers`.

    def on_message_begin(self) -> None:
        """Handle the start of a message. It is surplus if the response is complete."""
        if self.complete:
            self.surplus = True

    def on_headers_complete(self) -> None:
        """Handle the end of the headers of an interim response or of the final one."""
        parser = self._parser
        if self.surplus or parser is None:
            return
        status = parser.get_status_code()
        if status < 200:
            self._skip_interim(status)
            return
        self.status = status
        self.headers_done = True
        self.keep_alive = parser.should_keep_alive()
        if self._is_head:
            self.complete = True

    def on_body(self, data: bytes) -> None:
        """Store body data."""
        if self.complete:
            self.surplus = True
            return
        self.data.append(data)
        self.size += len(data)
        if len(self.data) - self._joined > MAX_PARTS:
            self.data[self._joined :] = [b"".join(self.data[self._joined :])]
            self._joined += 1
        if self.size > self._limit:
            self.error = self._too_long()

    def on_message_complete(self) -> None:
        """Handle the end of an interim response or of the final one."""
        # Interim responses complete, too, but `headers_done` is not set for them.
        if self.headers_done:
            self.complete = True

    def _skip_interim(self, status: int) -> None:
        self._interim += 1
        if status < 100:
            self.error = InvalidResponse(f"invalid status in the response: {status:03}")
        elif status == 101:
            self.error = InvalidResponse("unexpected status 101 in the response: the server switched protocols")
        elif self._interim > MAX_INTERIM:
            self.error = InvalidResponse(f"more than {MAX_INTERIM} interim responses (1xx) before the final one")

    def _recover(self, raw: memoryview) -> bool:
        """Repair rejected headers and parse them again. Return False if that does not help."""
        if self.headers_done:
            return False
        from .repair import repair  # imported lazily: few servers send such headers

        received = bytes(self._pending + raw)
        repaired = repair(received)
        if repaired is None:
            return True  # the section is incomplete: `_read_header_section` stores `raw`
        if repaired == received:
            return False
        self._pending.clear()
        self._interim = 0
        self._parser = HttpResponseParser(self)
        self.feed(memoryview(repaired))
        self.keep_alive = False  # another reader of these bytes may disagree about the end of the response
        return True

    def _read_header_section(self, raw: memoryview) -> None:
        """Store the header section if `raw` completes it, and check what llhttp does not."""
        if not self.headers_done:
            self._pending += raw
            return
        if not self._pending:
            section = headers.extract(bytes(raw[:_TYPICAL_SECTION]), self._interim) or headers.extract(
                bytes(raw), self._interim
            )
        else:
            section = headers.extract(bytes(self._pending + raw), self._interim)
            self._pending.clear()
        assert section is not None
        self.header_section = section
        self.lower_section = lower = section.lower()
        if not section.startswith(b"HTTP/1."):
            version = section.partition(b" ")[0].decode("latin-1")
            self.error = InvalidResponse(f"unsupported protocol in the response ({version}): expected HTTP/1.1")
        elif len(section) > MAX_HEADERS * _SHORTEST_HEADER and (
            len(section) > MAX_HEADER_SECTION or section.count(b"\r\n") > MAX_HEADERS
        ):
            self.error = InvalidResponse(
                f"the response headers exceed {MAX_HEADER_SECTION} bytes or {MAX_HEADERS} lines"
            )
        elif b"-encoding:" in lower:
            self._check_encodings(section)
        if self._is_head:
            self.keep_alive = section.startswith(b"HTTP/1.1") and not self._has_close()
        elif not self.complete:
            self._check_length(section)

    def _check_encodings(self, section: bytes) -> None:
        content = headers.values(section, b"content-encoding")
        if content:
            self.content_encoding = b",".join(content)
        transfer = headers.values(section, b"transfer-encoding")
        if transfer:
            self._framed = True
            if len(transfer) > 1 or transfer[0].lower() != b"chunked":
                found = clean(b", ".join(transfer).decode("latin-1"))
                self.error = InvalidResponse(
                    f"unsupported Transfer-Encoding in the response ({found!r}): expected chunked"
                )

    def _check_length(self, section: bytes) -> None:
        for value in headers.values(section, b"content-length"):
            self._framed = True
            if int(value) > self._limit:
                self.error = self._too_long()

    def _has_close(self) -> bool:
        return any(b"close" in value.lower() for value in headers.values(self.header_section, b"connection"))

    def _too_long(self) -> InvalidResponse:
        return InvalidResponse(f"the response body exceeds {self._limit} bytes")
