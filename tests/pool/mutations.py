# ruff: noqa: E501, T201  # a table, and its printed result
"""Mutation tests: remove the pool's safeguards one by one and print the test that fails.

Run `python tests/pool/mutations.py [part of a name ...]`. Each safeguard is removed in a copy of the package. If no test
fails for one of them, it is reported and the exit status is 1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Mutation(NamedTuple):
    """A change of `module` from `original` to `replacement` that the tests in these files should notice."""

    name: str
    module: str
    original: str
    replacement: str
    tests: str


MUTATIONS = [
    # Connecting
    Mutation("pending connections count", "pool", "len(self._live) + self._connecting >=", "len(self._live) >=", "reuse"),
    Mutation("an idle connection is closed at the limit", "pool", "if oldest is not None:", "if False:", "reuse"),
    Mutation("it is the oldest", "idle", "return min(candidates,", "return max(candidates,", "reuse"),
    Mutation("slower attempts are cancelled", "sockets", "for task in tasks:\n            if not task.cancel()", "for task in ():\n            if not task.cancel()", "connector"),
    Mutation("slower sockets are closed", "sockets", "task.result().close()", "pass", "connector"),
    Mutation("a failed attempt closes its socket", "sockets", "        connected.close()\n", "        pass\n", "connector"),
    Mutation("addresses are tried concurrently", "sockets", "timeout=ATTEMPT_DELAY if waiting else None", "timeout=None", "connector"),
    Mutation("address families alternate", "sockets", "waiting = _interleave_families(addresses)", "waiting = list(addresses)", "connector"),
    Mutation("a connection of a cancelled request is closed", "connector", "wrapping.add_done_callback(_discard)", "pass", "cancel"),
    Mutation("create_connection is shielded", "connector", "await asyncio.shield(wrapping)", "await wrapping", "cancel"),
    Mutation("a failed handshake closes the socket", "connector", "        except BaseException:\n            plain.abort()\n", "        except BaseException:\n            pass\n", "tls cancel"),
    Mutation("a DNS lookup is shielded", "connector", "await asyncio.shield(self._share(origin[:2], lambda: self._resolve(origin)))", "await self._share(origin[:2], lambda: self._resolve(origin))", "connector"),
    Mutation("loading the TLS context is shielded", "connector", "await asyncio.shield(loading)", "await loading", "tls"),
    Mutation("a failure to load the context closes the socket", "connector", "                connected.close()\n", "                pass\n", "tls"),
    Mutation("tasks are shared", "connector", "task = self._shared.get(key)", "task = None", "connector tls"),
    Mutation("a failure is not cached", "connector", "del self._shared[key]", "pass", "connector"),
    Mutation("a failure without a waiting request is retrieved", "connector", "task.exception()  # mark", "pass  # mark", "connector"),
    Mutation("IP addresses are not resolved", "connector", "addresses = numeric(origin.lookup_name, origin.port)", "addresses = None", "connector"),
    Mutation("the DNS lookup requests TCP", "connector", "proto=socket.IPPROTO_TCP", "proto=0", "connector"),
    Mutation("the socket of an IP address has the TCP protocol", "sockets", "socket.IPPROTO_TCP", "0", "connector"),
    Mutation("closing interrupts connection attempts", "connector", "scope.reschedule(self._loop.time())", "pass", "connector cancel"),
    Mutation("closing cancels shared tasks", "connector", "            task.cancel()", "            pass", "connector"),
    Mutation("an invalid host name raises ConnectFailed", "connector", "(OSError, ValueError, OverflowError)", "OSError", "connector"),
    Mutation("the total timeout includes connecting", "connector", "min(deadline, self._loop.time() + timeout)", "self._loop.time() + timeout", "timeouts"),
    Mutation("the context is created in a thread", "connector", "asyncio.to_thread(create)", "asyncio.sleep(0, create())", "tls"),
    Mutation("TLS 1.2 or newer", "../_core/tls", "context.minimum_version = ssl.TLSVersion.TLSv1_2", "context.minimum_version = ssl.TLSVersion.TLSv1", "tls"),
    Mutation("certifi is used only without system certificates", "../_core/tls", "if not _has_certificates(context):", "if True:", "tls"),
    Mutation("certifi is used without system certificates", "../_core/tls", "context.load_verify_locations(certifi.where())", "pass", "tls"),
    Mutation("the shared context is created once", "../_core/tls", "if _context is None or", "if True or", "tls"),
    Mutation("a failure to create the shared context is not cached", "../_core/tls", "_context.exception() is not None", "False", "tls"),
    Mutation("a fork waits for the shared context", "../_core/tls", "        _context.exception()\n", "        pass\n", "tls"),
    Mutation("a fork releases the lock in the child", "../_core/tls", "after_in_child=_after_fork", "after_in_child=_before_fork", "tls"),
    Mutation("sni replaces the host name", "connector", "connection.origin.sni or connection.origin.name", "connection.origin.name", "tls"),
    Mutation("a closed new connection is not used", "pool", "        if connection.closed:\n            raise ConnectFailed", "        if False:\n            raise ConnectFailed", "connector"),
    Mutation("a lost connection starts no handshake", "connector", "if connection.closed or plain.is_closing():", "if False:", "tls"),
    Mutation("the certificate has no dot and no zone", "connector", "connection.origin.sni or connection.origin.name", "connection.origin.sni or connection.origin.host", "hosts"),
    Mutation("a zone is decoded for the lookup", "../_core/origin", 'self.host.replace("%25", "%", 1)', "self.host", "hosts"),
    Mutation("the Host header has no dot", "../_core/origin", 'self.host.removesuffix(".")', "self.host", "hosts"),
    Mutation("the Host header has no zone", "../_core/origin", 'self.host.partition("%")[0] if', "self.host if", "hosts"),
    Mutation("the adapter sends the Host header of the origin", "../_http/adapter", 'if lower == b"host" and value == request.url.netloc:', "if False:", "hosts"),
    Mutation("the library gets both forms of a host", "../_http/httpx_transport", "if origin.lookup_name != origin.name:", "if False:", "hosts"),
    # Slots and cancellation
    Mutation("a slot granted to a cancelled task is released", "../_core/limiter", "Limiter.release(self)  # granted", "pass  # granted", "cancel"),
    Mutation("a failed request releases its slot", "pool", "            limiter.release()\n            raise", "            raise", "connector cancel"),
    Mutation("a released connection releases its slot", "pool", "            connection.abort()\n        self._limiter.release()", "            connection.abort()", "stale"),
    Mutation("a cancelled task gets no slot", "../_core/limiter", "            if not waiter.done():\n                waiter.set_result(_Outcome.GRANTED)\n                return", "            waiter.done() or waiter.set_result(_Outcome.GRANTED)\n            return", "cancel"),
    Mutation("a cancelled exchange closes its connection", "connection", "        except BaseException:\n            self.abort()\n            raise", "        except BaseException:\n            raise", "cancel"),
    Mutation("a cancelled check of an idle connection closes it", "pool", "                except BaseException:\n                    connection.abort()\n                    raise", "                except BaseException:\n                    raise", "cancel"),
    Mutation("errors leave no reference cycle", "connection", "error, self._error = self._error, None", "error = self._error", "cancel"),
    Mutation("errors of the parser leave no reference cycle", "connection", "            parser.error = None\n", "", "cancel"),
    Mutation("a closed pool rejects requests", "pool", 'if self._closed:\n            raise TransportError("the connection pool is closed"', 'if False:\n            raise TransportError("the connection pool is closed"', "closing"),
    Mutation("closing fails requests in flight", "pool", 'connection.fail(ConnectionLost("the connection pool was closed"))', "pass", "closing"),
    Mutation("closing fails waiting requests", "pool", "self._limiter.close()", "pass", "streaming"),
    Mutation("closing waits for the last connection_lost", "pool", "for _ in range(4):  # until", "for _ in range(0):  # until", "closing"),
    Mutation("another event loop is rejected", "pool", "elif self._loop is not loop:", "elif False:", "closing"),
    Mutation("an unclosed stream releases its slot", "response", "self._pool.release_later(self._connection)", "pass", "streaming"),
    # Reuse
    Mutation("data on an idle connection closes it", "connection", "            self.abort()  # unsolicited data: the connection cannot be trusted\n", "", "reuse"),
    Mutation("the end of an idle connection takes effect immediately", "connection", "self.abort()  # removes", "pass  # removes", "stale"),
    Mutation("surplus data prevents reuse", "connection", "            and not parser.surplus\n", "", "reuse"),
    Mutation("Connection: close prevents reuse", "connection", "            and parser.keep_alive\n", "", "reuse"),
    Mutation("an unfinished upload prevents reuse", "connection", "            and not self._body_unfinished\n", "", "uploads"),
    Mutation("only a clean end allows reuse", "connection", "            self._phase is READING\n            and parser.complete\n", "            parser.complete\n", "cancel streaming"),
    Mutation("the most recently used connection is reused first", "idle", "connections.popitem()[0]", "(lambda c: (connections.pop(c), c)[1])(next(iter(connections)))", "reuse"),
    Mutation("the idle timeout", "connection", "        elif self._phase is IDLE:\n            self.abort()\n", "", "reuse"),
    Mutation("an origin without connections is forgotten", "idle", "                del self._by_origin[connection.origin]", "                pass", "reuse"),
    Mutation("an idle connection holds no response data", "connection", "        self.parser.clear()\n", "        pass\n", "framing"),
    Mutation("a new connection is never stale", "connection", "if self._used > 1 and not self.parser.received:", "if not self.parser.received:", "stale"),
    Mutation("a connection with a partial response is not stale", "connection", "if self._used > 1 and not self.parser.received:", "if self._used > 1:", "stale"),
    Mutation("only repeatable requests are retried", "pool", "                if not request.repeatable:\n                    raise\n", "                pass\n", "stale"),
    Mutation("a request with an iterable body is not retried", "pool", 'repeatable = repeatable and isinstance(body, bytes)\n        request = PoolRequest(headers, body, chunked, method == "HEAD", repeatable, timeouts, deadline, max_body, True)', 'request = PoolRequest(headers, body, chunked, method == "HEAD", repeatable, timeouts, deadline, max_body, True)', "stale"),
    Mutation("a retry uses a new connection", "pool", "            connection = await self._connect(origin, request)\n            await connection.exchange(request)", "            connection = self._idle.pop(origin) or await self._connect(origin, request)\n            await connection.exchange(request)", "stale"),
    Mutation("a write waits for a close that has arrived", "pool", "for _ in range(3):  # lets", "for _ in range(0):  # lets", "closing"),
    Mutation("408 on an idle connection is retried", "connection", "return self.parser.status == 408 and", "return False and", "stale"),
    Mutation("408 on a new connection is a response", "connection", "self.parser.status == 408 and self._used > 1 and", "self.parser.status == 408 and", "stale"),
    Mutation("408 without close is a response", "connection", "self._used > 1 and not self.parser.keep_alive", "self._used > 1", "stale"),
    Mutation("the connection of a 408 is closed", "pool", "                connection.abort()\n            # Retry once", "                pass\n            # Retry once", "stale"),
    Mutation("408 is retried only for repeatable requests", "pool", "if not (connection.timed_out_idle and request.repeatable):", "if not connection.timed_out_idle:", "stale"),
    Mutation("a connection opened in a closed pool is closed", "pool", "        if self._closed:\n            connection.abort()\n            raise", "        if False:\n            connection.abort()\n            raise", "closing connector"),
    Mutation("a closed pool opens no connection", "connector", '        if self._closed:\n            raise TransportError("the connection pool was closed", sent=False)\n        first', "        first", "closing connector"),
    Mutation("a closed pool keeps no connection", "pool", "if connection.reusable and not self._closed:", "if connection.reusable:", "closing"),
    Mutation("a connection that was closed while idle is skipped", "pool", "            if not connection.closed:\n                return connection", "            return connection", "stale"),
    Mutation("a connection just used is trusted", "pool", "if self._loop.time() - connection.idle_since > TRUSTED_IDLE:", "if True:", "stale"),
    Mutation("a lost connection leaves the pool", "connection", "        self._remove(self)\n        self._phase = CLOSED\n        self.parser.release()", "        self._phase = CLOSED\n        self.parser.release()", "reuse"),
    Mutation("an aborted connection leaves the pool", "connection", "        self.parser.complete = True\n        self._remove(self)\n", "        self.parser.complete = True\n", "reuse"),
    Mutation("a lost connection drops its parser", "connection", "        self.parser.release()\n", "", "closing"),
    Mutation("errors after completion do not replace the response", "connection", "        if not self.parser.complete:\n            self._error = error", "        self._error = error", "reuse"),
    # Parsing
    Mutation("a parser that was used for HEAD is replaced", "parser", "if self._parser is None or self._is_head:", "if self._parser is None:", "parser"),
    Mutation("a response to HEAD has no body", "parser", "        if self._is_head:\n            self.complete = True", "        if False:\n            self.complete = True", "parser"),
    Mutation("the end of the stream completes only unframed bodies", "parser", "and not self._framed", "", "parser"),
    Mutation("interim responses are not final", "parser", "        if status < 200:\n", "        if status < 100:\n", "parser"),
    Mutation("headers of interim responses are skipped", "parser", "bytes(raw[:_TYPICAL_SECTION]), self._interim)", "bytes(raw[:_TYPICAL_SECTION]), 0)", "parser"),
    Mutation("headers of earlier interim responses are skipped", "parser", "bytes(self._pending + raw), self._interim)", "bytes(self._pending + raw), 0)", "parser"),
    Mutation("partial headers are stored", "parser", "            self._pending += raw\n", "            pass\n", "parser"),
    Mutation("stored partial headers are cleared", "parser", "            self._pending.clear()\n", "            pass\n", "parser"),
    Mutation("headers may be long", "parser", " or headers.extract(\n                bytes(raw), self._interim\n            )", " or b'HTTP/1.1'", "parser"),
    Mutation("empty lines before a response are skipped", "headers", 'raw = raw.lstrip(b"\\r\\n")  # llhttp', "pass  # llhttp", "parser"),
    Mutation("the number of interim responses is limited", "parser", "elif self._interim > MAX_INTERIM:", "elif False:", "parser"),
    Mutation("101 is an error", "parser", "elif status == 101:", "elif False:", "parser"),
    Mutation("a status below 100 is an error", "parser", "        if status < 100:\n", "        if False:\n", "parser"),
    Mutation("the size of headers is limited", "parser", "len(section) > MAX_HEADER_SECTION or ", "", "parser"),
    Mutation("the number of headers is limited", "parser", ' or section.count(b"\\r\\n") > MAX_HEADERS', "", "parser"),
    Mutation("data without a body is limited", "parser", "if self._overhead > MAX_OVERHEAD", "if False", "parser"),
    Mutation("body data resets that limit", "parser", "if self.size == before else 0", "", "parser"),
    Mutation("only HTTP/1", "parser", 'if not section.startswith(b"HTTP/1."):', "if False:", "parser"),
    Mutation("only chunked transfer encoding", "parser", 'transfer[0].lower() != b"chunked"', "False", "parser"),
    Mutation("only one transfer encoding", "parser", "len(transfer) > 1 or ", "", "parser"),
    Mutation("a Content-Length over the limit", "parser", "if int(value) > self._limit:", "if False:", "parser"),
    Mutation("no limit without a body", "parser", "        elif not self.complete:\n", "        else:\n", "parser"),
    Mutation("a body over the limit", "parser", "        if self.size > self._limit:\n", "        if False:\n", "parser"),
    Mutation("a second body is surplus", "parser", "        if self.complete:\n            self.surplus = True\n            return\n", "", "parser"),
    Mutation("a second message is surplus", "parser", '        """Handle the start of a message. It is surplus if the response is complete."""\n        if self.complete:\n            self.surplus = True', '        """Handle the start of a message."""', "parser"),
    Mutation("surplus headers change nothing", "parser", "if self.surplus or parser is None:", "if parser is None:", "parser"),
    Mutation("invalid data after a response is surplus", "parser", "            if self.complete:\n                self.surplus = True\n            elif self.error is None and", "            if self.error is None and", "parser"),
    Mutation("an invalid response is an error even if it is complete", "connection", "            parser.complete = False  # an invalid", "            pass  # an invalid", "bounds"),
    Mutation("long reads are parsed in steps", "parser", "        if length > STEP and self._needs_steps(raw):\n", "        if False:\n", "bounds"),
    Mutation("unusual headers are repaired", "parser", "elif self.error is None and not self._recover(raw):", "elif self.error is None:", "repair"),
    Mutation("repairing waits for the whole section", "parser", "        if repaired is None:\n            return True", "        if repaired is None:\n            return False", "repair"),
    Mutation("interim responses are counted again after a repair", "parser", "        self._interim = 0\n", "", "repair"),
    Mutation("a repaired response closes the connection", "parser", "        self.keep_alive = False  # another", "        pass  # another", "repair"),
    Mutation("bodies are not repaired", "parser", "        if self.headers_done:\n            return False\n        received", "        received", "repair parser"),
    Mutation("conflicting lengths are not repaired", "repair", "lines if len(lengths) > 1 else kept", "kept", "repair"),
    Mutation("a section does not start with a folded line", "repair", " and len(lines) > 1:", ":", "repair"),
    Mutation("only HTTP/1 is repaired", "repair", "        if _STATUS_LINE.match(rest) is None:\n            return data\n", "", "repair parser"),
    Mutation("spaces around values are stripped", "headers", 'value.strip(b" \\t")', "value", "parser framing"),
    Mutation("spaces around a single value are stripped", "response", '.strip(b" \\t")', "", "framing"),
    Mutation("the first header counts", "response", "self._lower_section.find(", "self._lower_section.rfind(", "framing"),
    Mutation("every Content-Encoding header counts", "parser", 'b",".join(content)', "content[-1]", "parser"),
    Mutation("several gzip members", "decompress", "if wbits != _GZIP or bytes(view[position : position + 2]) != _GZIP_MAGIC:", "if True:", "decompress"),
    Mutation("padding is ignored", "decompress", " or bytes(view[position : position + 2]) != _GZIP_MAGIC:", " or position == len(view):", "decompress"),
    Mutation("a truncated body", "decompress", '            if not part and not result:\n                raise InvalidResponse("incomplete compressed data in the response body")', "            if not part and not result:\n                break", "decompress"),
    Mutation("the limit on decompression", "decompress", "            if remaining < 0:\n", "            if False:\n", "decompress"),
    Mutation("decompression stops at the limit", "decompress", "min(STEP_OUTPUT, remaining + 1)", "0", "decompress"),
    Mutation("deflate without a zlib header", "decompress", "_ZLIB if _has_zlib_header(body) else _RAW", "_ZLIB", "decompress"),
    Mutation("unsupported encodings", "decompress", "            case _ if name.partition", "            case _ if False and name.partition", "decompress"),
    Mutation("unknown encodings change nothing", "decompress", "            case _:\n                continue", '            case _:\n                raise InvalidResponse("unknown")', "decompress"),
    Mutation("the number of encodings is limited", "decompress", "    if len(names) > MAX_ENCODINGS:\n", "    if False:\n", "decompress"),
    Mutation("encodings share one limit", "decompress", "        remaining -= len(body)\n", "", "decompress"),
    Mutation("the number of gzip members is limited", "decompress", "range(1, MAX_MEMBERS + 1)", "range(1, 2**60)", "decompress"),
    Mutation("the window is small", "decompress", "window = FIRST_WINDOW", "window = 2**26", "decompress"),
    Mutation("the output of a step is limited", "decompress", "min(STEP_OUTPUT, remaining + 1)", "remaining + 1", "decompress"),
    Mutation("many members are several steps", "decompress", "        if member % STEP_MEMBERS == 0:\n", "        if False:\n", "decompress"),
    Mutation("the event loop runs between two steps", "decompress", "        await asyncio.sleep(0)\n", "", "decompress"),
    Mutation("the total timeout includes decompression", "decompress", "time() >= deadline:", "time() >= INFINITY:", "decompress"),
    Mutation("an undecodable error response keeps its status", "decompress", "            if status < 400:\n                raise\n", "            raise\n", "decompress"),
    Mutation("an undecodable success response is an error", "decompress", "            if status < 400:\n                raise\n", "", "decompress"),
    # Sending and streaming
    Mutation("an early response stops a body of bytes", "connection", "            if self._responded:\n                return\n", "", "uploads"),
    Mutation("an early response interrupts a suspended body", "connection", "upload.reschedule(self._loop.time())", "pass", "uploads"),
    Mutation("an early response stops an iterable body", "connection", "                    if self._responded:\n                        break\n", "", "uploads"),
    Mutation("the headers of an error response stop the body", "connection", "return self.parser.complete or self.parser.status >= 400", "return self.parser.complete", "uploads"),
    Mutation("an early success response does not stop the body", "connection", "self.parser.status >= 400", "self.parser.status > 0", "uploads"),
    Mutation("a TimeoutError of the body propagates", "connection", "            if not upload.expired():\n                raise\n", "            pass\n", "uploads"),
    Mutation("sending waits for the server", "connection", "while self._writing_paused and not self._responded:", "while False:", "timeouts"),
    Mutation("reading pauses for a slow reader", "connection", "                self.transport.pause_reading()\n", "", "streaming"),
    Mutation("reading resumes", "connection", "            self.transport.resume_reading()\n", "", "streaming"),
    Mutation("a stream closed early closes its connection", "pool", "        else:\n            connection.abort()\n        self._limiter", "        self._limiter", "uploads"),
    Mutation("a stream is released once", "response", "connection, self._connection = self._connection, None\n        if connection is not None:", "connection = self._connection\n        if connection is not None:", "streaming"),
    Mutation("any wake-up is not room in the send buffer", "connection", "while self._writing_paused and not self._responded:", "if self._writing_paused and not self._responded:", "uploads"),
    Mutation("a streamed request with an iterable body is not retried", "pool", 'repeatable = repeatable and isinstance(body, bytes)\n        request = PoolRequest(headers, body, chunked, method == "HEAD", repeatable, timeouts, deadline, max_body, False)', 'request = PoolRequest(headers, body, chunked, method == "HEAD", repeatable, timeouts, deadline, max_body, False)', "stale"),
    Mutation("data before an error is returned", "connection", "if not data and self._error is not None:", "if self._error is not None:", "streaming"),
    Mutation("a rejected body is not ended", "connection", "        if not self._responded:\n", "        if True:\n", "uploads"),
    Mutation("a collected response does not pause reading", "connection", "if self.parser.headers_done and not self._collect:", "if self.parser.headers_done:", "uploads"),
    Mutation("data is sent in slices", "connection", "for start in range(0, len(view), SLICE):", "for start in (0,):", "uploads"),
    Mutation("surplus of a body is not sent", "connection", "if remaining < 0 and not request.chunked:", "if False:", "request_framing"),
    Mutation("a short body is an error", "connection", "if remaining > 0 and not request.chunked and not self._responded:", "if False:", "request_framing"),
    Mutation("bytes are sent in chunks if the headers say so", "connection", "len(body) <= SLICE and not request.chunked:", "len(body) <= SLICE:", "request_framing"),
    Mutation("items are counted in bytes", "connection", "memoryview(data).nbytes", "len(data)", "request_framing"),
    Mutation("items are sliced in bytes", "connection", 'memoryview(data).cast("B")', "memoryview(data)", "request_framing"),
    # Timeouts
    Mutation("the read timeout", "connection", "            due = min(due, self._loop.time() + self._read_timeout)\n", "            pass\n", "timeouts"),
    Mutation("each byte restarts the read timeout", "connection", "        if self._awaiting_data and self._phase is READING:\n            self._start_read_timeout()\n", "", "timeouts"),
    Mutation("a pause of the reader does not count", "connection", "            finally:\n                self._stop_read_timeout()\n", "            finally:\n                pass\n", "pauses"),
    Mutation("a pause before the first read does not count", "connection", "        if not self._collect:\n            self._stop_read_timeout()\n", "", "pauses"),
    Mutation("a pause of the body does not count", "connection", "                    self._set_due(self._deadline)\n        except", "        except", "timeouts"),
    Mutation("the write timeout", "connection", "self._set_due(self._deadline if timeout is None else min(self._deadline, self._loop.time() + timeout))", "pass", "timeouts"),
    Mutation("the total timeout", "connection", "        due = self._deadline\n", "        due = INFINITY\n", "timeouts"),
    Mutation("the pool timeout", "../_core/limiter", "None if first == INFINITY else", "None if True else", "timeouts"),
    Mutation("the total timeout includes waiting for a slot", "../_core/limiter", "first = min(pool_deadline, deadline)", "first = pool_deadline", "timeouts"),
    Mutation("a timer that fires early is rescheduled", "connection", "        if self._due > self._loop.time():\n", "        if False:\n", "timer"),
    Mutation("an earlier timeout replaces the timer", "connection", "        if due < self._armed and", "        if self._armed == INFINITY and", "timer"),
    Mutation("a closed connection sets no timer", "connection", " and self._phase is not CLOSED:\n            self._schedule", ":\n            self._schedule", "timer"),
    Mutation("requests share one timer", "connection", "        if due < self._armed and", "        if True and", "timer"),
    Mutation("data that the reader does not wait for restarts no timeout", "connection", "        if self._awaiting_data and self._phase is READING:\n", "        if self._phase is READING:\n", "pauses"),
    Mutation("data during an upload starts no read timeout", "connection", "        if self._awaiting_data and self._phase is READING:\n", "        if self._awaiting_data:\n", "pauses"),
    Mutation("no timer without a timeout", "connection", "            if self._due < INFINITY:\n", "            if True:\n", "timer"),
    Mutation("a new timer replaces the old one", "connection", "        if self._timer is not None:\n            self._timer.cancel()\n        self._armed", "        self._armed", "timer"),
    Mutation("a lost connection cancels its timer", "connection", "            self._timer.cancel()\n            self._timer = None\n        self._wake()", "            pass\n        self._wake()", "timer"),
    # PoolTransport and HttpxAdapter
    Mutation("no injected request line", "transport", 'if _VISIBLE(f"{method} {target} {request_id}") is None:', "if False:", "pool_transport"),
    Mutation("an empty body is announced", "transport", 'b"Content-Length: 0\\r\\n\\r\\n" if method in _WITH_BODY else b"\\r\\n"', 'b"\\r\\n"', "pool_transport"),
    Mutation("the transport closes only its own pool", "transport", "        if self._owns_pool:\n", "        if True:\n", "pool_transport"),
    Mutation("headers are hidden", "transport", "Hidden(start", "bytes(start", "pool_transport"),
    Mutation("no injected request line in the adapter", "../_http/adapter", "    if _REQUEST_LINE(line) is None:\n", "    if False:\n", "adapter"),
    Mutation("no injected header in the adapter", "../_http/adapter", "_NAME(name) is None or _FORBIDDEN(value) is not None", "False", "adapter"),
    Mutation("no injected value in the adapter", "../_http/adapter", " or _FORBIDDEN(value) is not None", "", "adapter"),
    Mutation("only chunked requests", "../_http/adapter", 'if [value.lower() for value in codings] != [b"chunked"]:', "if False:", "request_framing"),
    Mutation("not both framing headers", "../_http/adapter", 'if lengths and lengths != {b"%d" % (-1 if size is None else size)}:', "if False:", "request_framing"),
    Mutation("no conflicting Content-Length", "../_http/adapter", "if len(lengths) > 1 or not all(map(_LENGTH, lengths)):", "if not all(map(_LENGTH, lengths)):", "request_framing"),
    Mutation("no invalid Content-Length", "../_http/adapter", "if len(lengths) > 1 or not all(map(_LENGTH, lengths)):", "if len(lengths) > 1:", "request_framing"),
    Mutation("bytes have their Content-Length", "../_http/adapter", "if size is not None and size != length:", "if False:", "request_framing"),
    Mutation("framing headers are written once", "../_http/adapter", "elif lower not in _FRAMING:", "else:", "request_framing"),
    Mutation("one Host header", "../_http/adapter", 'if len(request.headers.get_list("host")) != 1:', "if False:", "request_framing"),
    Mutation("an invalid body is a LocalProtocolError", "../_http/adapter", "if isinstance(error, BodyLengthError):", "if False:", "request_framing"),
    Mutation("the adapter retries reads only", "../_http/adapter", "repeatable=request.method in _SAFE", "repeatable=True", "adapter"),
    Mutation("the adapter closes only its own pool", "../_http/adapter", "        if self._owns_pool:\n", "        if True:\n", "adapter"),
    Mutation("the body of a redirected request is read", "../_http/adapter", "await request.aread())", "request.content)", "adapter"),
    Mutation("errors are translated", "../_http/adapter", "        except TransportError as error:\n            raise _to_library_error(error) from error\n        return", "        except ZeroDivisionError as error:\n            raise\n        return", "adapter"),
    Mutation("errors of a body are translated", "../_http/adapter", "                yield data\n        except TransportError as error:\n            raise _to_library_error(error) from error", "                yield data\n        except ZeroDivisionError as error:\n            raise", "adapter"),
]  # fmt: skip


def find_failure(mutation: Mutation, folder: Path) -> str | None:
    """Return the first test that fails with this mutation, or None if every test passes."""
    for name in ("cloud66_async", "tests/pool"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/__init__.py", "tests/conftest.py", "tests/support.py"):
        shutil.copy(ROOT / name, folder / name)
    module = (folder / "cloud66_async" / "pool" / f"{mutation.module}.py").resolve()
    text = module.read_text()
    if mutation.original not in text:
        sys.exit(f"{mutation.name}: the original text is not in {mutation.module}; update this table")
    module.write_text(text.replace(mutation.original, mutation.replacement))
    tests = [f"tests/pool/test_{name}.py" for name in mutation.tests.split()]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    for loops in ("not uvloop", "uvloop"):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-xq",
            "-m",
            "not slow",
            "-k",
            loops,
            "-p",
            "no:cacheprovider",
            "--timeout=20",
            "--timeout-method=thread",  # signals do not interrupt uvloop
            "--tb=no",
        ]
        run = subprocess.run(
            [*command, *tests], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if run.returncode not in {0, 5}:  # 5: no test was selected
            found = re.search(r"(?:FAILED|ERROR) tests/pool/(\S+::\S+)|Timeout", run.stdout + run.stderr)
            if found is None:
                sys.exit(f"{mutation.name}: the tests cannot run\n{run.stdout}{run.stderr}")
            return found[0]
    return None


def main(parts: list[str]) -> int:
    selected = [mutation for mutation in MUTATIONS if not parts or any(part in mutation.name for part in parts)]
    missed = 0
    for mutation in selected:
        with tempfile.TemporaryDirectory() as folder:
            test = find_failure(mutation, Path(folder))
        missed += test is None
        print(f"{mutation.name}: {test or 'NOT NOTICED'}", flush=True)
    print(f"{len(selected)} mutations, {missed} not noticed")
    return missed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
