# ruff: noqa: E501, T201  # a table, and its outcome
"""Removes the pool's guards one at a time and shows the test that notices.

Run by hand: `python tests/pool/mutations.py [part of a name ...]`. Each guard is removed in a copy of the
package; a guard that no test misses is reported, and makes the exit status 1.
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
    """In `module`, `guard` becomes `instead`; the tests in these files should notice."""

    name: str
    module: str
    guard: str
    instead: str
    tests: str


MUTATIONS = [
    # Connecting
    Mutation("connections being opened count", "pool", "len(self._live) + self._opening >=", "len(self._live) >=", "reuse"),
    Mutation("the oldest idle one makes room", "pool", "if oldest is not None:", "if False:", "reuse"),
    Mutation("the oldest, not any", "idle", "return min(heads,", "return max(heads,", "reuse"),
    Mutation("losers are cancelled", "sockets", "for task in tasks:\n            if not task.cancel()", "for task in ():\n            if not task.cancel()", "opening"),
    Mutation("late winners are closed", "sockets", "task.result().close()", "pass", "opening"),
    Mutation("a failed attempt closes its socket", "sockets", "        connected.close()\n", "        pass\n", "opening"),
    Mutation("addresses race", "sockets", "timeout=HEAD_START if waiting else None", "timeout=None", "opening"),
    Mutation("families take turns", "sockets", "waiting = _families_in_turn(addresses)", "waiting = list(addresses)", "opening"),
    Mutation("a transport without an asker is dropped", "opening", "made.add_done_callback(_drop)", "pass", "cancel"),
    Mutation("a connection is wrapped under a shield", "opening", "await asyncio.shield(made)", "await made", "cancel"),
    Mutation("a failed handshake closes the socket", "opening", "            plain.abort()\n", "            pass\n", "tls cancel"),
    Mutation("shared work is shielded", "opening", "await asyncio.shield(self._share(origin[:2], lambda: self._look_up(origin)))", "await self._share(origin[:2], lambda: self._look_up(origin))", "opening"),
    Mutation("also the making of a context", "opening", "await asyncio.shield(making)", "await making", "tls"),
    Mutation("a socket does not wait for a context that never comes", "opening", "                connected.close()\n", "                pass\n", "tls"),
    Mutation("work is shared", "opening", "task = self._shared.get(key)", "task = None", "opening tls"),
    Mutation("a failure is not kept", "opening", "del self._shared[key]", "pass", "opening"),
    Mutation("a failure nobody waits for is seen", "opening", "task.exception()  # seen", "pass  # seen", "opening"),
    Mutation("numbers are not looked up", "opening", "addresses = numeric(origin.host, origin.port)", "addresses = None", "opening"),
    Mutation("closing interrupts those who connect", "opening", "deadline.reschedule(self._loop.time())", "pass", "opening cancel"),
    Mutation("closing ends shared work", "opening", "            task.cancel()", "            pass", "opening"),
    Mutation("a name that cannot be is no crash", "opening", "(OSError, ValueError, OverflowError)", "OSError", "opening"),
    Mutation("the whole time counts while connecting", "opening", "min(end, self._loop.time() + patience)", "self._loop.time() + patience", "timeouts"),
    Mutation("the context is made in a thread", "opening", "asyncio.to_thread(make)", "asyncio.sleep(0, make())", "tls"),
    Mutation("TLS 1.2 at least", "../_tls", "context.minimum_version = ssl.TLSVersion.TLSv1_2", "context.minimum_version = ssl.TLSVersion.TLSv1", "tls"),
    Mutation("certifi only without roots", "../_tls", "if not _has_roots(context):", "if True:", "tls"),
    Mutation("certifi where there are no roots", "../_tls", "context.load_verify_locations(certifi.where())", "pass", "tls"),
    Mutation("the process's context is made once", "../_tls", "if _context is None or", "if True or", "tls"),
    Mutation("a context that failed is not kept", "../_tls", "_context.exception() is not None", "False", "tls"),
    Mutation("a fork waits for it", "../_tls", "        _context.exception()\n", "        pass\n", "tls"),
    Mutation("and leaves no lock behind", "../_tls", "after_in_child=_after_fork", "after_in_child=_before_fork", "tls"),
    Mutation("the name to check can differ", "opening", "connection.origin.sni or connection.origin.host", "connection.origin.host", "tls"),
    Mutation("a dead new connection is not used", "pool", "        if connection.closed:\n            raise ConnectFailed", "        if False:\n            raise ConnectFailed", "opening"),
    # Places and cancelling
    Mutation("a place granted and cancelled is passed on", "../_places", "self.release()  # granted", "pass  # granted", "cancel"),
    Mutation("a failed request gives its place back", "pool", "            places.release()\n            raise", "            raise", "opening cancel"),
    Mutation("a released connection gives its place back", "pool", "            connection.abort()\n        self._limiter.release()", "            connection.abort()", "reuse"),
    Mutation("those who left the queue get no place", "../_places", "            if not waiter.done():\n                waiter.set_result(True)\n                return", "            waiter.done() or waiter.set_result(True)\n            return", "cancel timeouts"),
    Mutation("a cancelled exchange closes its connection", "connection", "        except BaseException:\n            self.abort()\n            raise", "        except BaseException:\n            raise", "cancel"),
    Mutation("a cancelled look at the socket closes it", "pool", "                except BaseException:\n                    connection.abort()\n                    raise", "                except BaseException:\n                    raise", "cancel"),
    Mutation("errors leave no cycle", "connection", "error, self._error = self._error, None", "error = self._error", "streaming cancel"),
    Mutation("nor in the parser", "connection", "            parser.error = None\n", "", "cancel"),
    Mutation("a closed pool takes no requests", "pool", 'if self._closed:\n            raise TransportError("the connection pool is closed"', 'if False:\n            raise TransportError("the connection pool is closed"', "reuse"),
    Mutation("closing ends what is under way", "pool", 'connection.fail(ConnectionLost("the connection pool was closed"))', "pass", "reuse"),
    Mutation("closing empties the queue", "pool", "self._limiter.close()", "pass", "streaming"),
    Mutation("closing waits for the last connection_lost", "pool", "for _ in range(4):  # until", "for _ in range(0):  # until", "reuse"),
    Mutation("another event loop is refused", "pool", "elif self._loop is not loop:", "elif False:", "reuse"),
    Mutation("a forgotten stream gives its place back", "answer", "self._pool.release_later(self._connection)", "pass", "streaming"),
    # Reuse
    Mutation("data while idle ends it", "connection", "            self.abort()  # nobody asked for this\n", "", "reuse"),
    Mutation("an end while idle is seen at once", "connection", "self.abort()  # out of the pool now", "pass  # out of the pool now", "reuse"),
    Mutation("surplus ends it", "connection", "            and not parser.surplus\n", "", "reuse"),
    Mutation("close is heeded", "connection", "            and parser.keep\n", "", "reuse"),
    Mutation("an unfinished upload ends it", "connection", "            and not self._body_open\n", "", "streaming"),
    Mutation("only a clean end is used again", "connection", "            self._phase is READING\n            and parser.complete\n", "            parser.complete\n", "reuse cancel streaming"),
    Mutation("the last one used comes first", "idle", "mine.popitem()[0]", "(lambda c: (mine.pop(c), c)[1])(next(iter(mine)))", "reuse"),
    Mutation("idle time ends", "connection", "        elif self._phase is IDLE:\n            self.abort()\n", "", "reuse"),
    Mutation("nothing is kept of a silent origin", "idle", "                del self._by_origin[connection.origin]", "                pass", "reuse"),
    Mutation("an idle connection holds no body", "connection", "        self.parser.clear()\n", "        pass\n", "reuse framing"),
    Mutation("repeat only what was reused", "connection", "if self._used > 1 and not self.parser.received:", "if not self.parser.received:", "reuse"),
    Mutation("repeat only if nothing arrived", "connection", "if self._used > 1 and not self.parser.received:", "if self._used > 1:", "reuse"),
    Mutation("repeat only what is repeatable", "pool", "                if not outgoing.repeatable:\n                    raise\n", "                pass\n", "reuse"),
    Mutation("a stream cannot be repeated", "pool", 'repeatable = repeatable and isinstance(body, bytes)\n        outgoing = Outgoing(head, body, chunked, method == "HEAD", repeatable, timeouts, end, bound, True)', 'outgoing = Outgoing(head, body, chunked, method == "HEAD", repeatable, timeouts, end, bound, True)', "reuse"),
    Mutation("repeat on a new connection", "pool", "            connection = await self._connect(origin, outgoing)\n            await connection.exchange(outgoing)", "            connection = self._idle.pop(origin) or await self._connect(origin, outgoing)\n            await connection.exchange(outgoing)", "reuse"),
    Mutation("a write waits for a close that has arrived", "pool", "for _ in range(3):  # a close", "for _ in range(0):  # a close", "reuse"),
    Mutation("408 is the close race", "connection", "return self.parser.status == 408 and", "return False and", "reuse"),
    Mutation("408 on a new connection is an answer", "connection", "self.parser.status == 408 and self._used > 1 and", "self.parser.status == 408 and", "reuse"),
    Mutation("408 without close is an answer", "connection", "self._used > 1 and not self.parser.keep", "self._used > 1", "reuse"),
    # Parsing
    Mutation("a parser that saw HEAD is replaced", "parser", "if self._parser is None or self._is_head:", "if self._parser is None:", "parser reuse"),
    Mutation("HEAD has no body", "parser", "        if self._is_head:\n            self.complete = True", "        if False:\n            self.complete = True", "parser"),
    Mutation("the end ends only what it may", "parser", "and not self._framed", "", "parser"),
    Mutation("interim answers are not the answer", "parser", "        if status < 200:\n", "        if status < 100:\n", "parser"),
    Mutation("interim headers are dropped", "parser", "bytes(data[:_NEARLY_EVERY_HEAD]), self._interim)", "bytes(data[:_NEARLY_EVERY_HEAD]), 0)", "parser"),
    Mutation("also when they came before", "parser", "bytes(self._before + data), self._interim)", "bytes(self._before + data), 0)", "parser"),
    Mutation("what came before is part of the head", "parser", "            self._before += data\n", "            pass\n", "parser"),
    Mutation("and of no later one", "parser", "            self._before.clear()\n", "            pass\n", "parser"),
    Mutation("a head may be long", "parser", " or heads.cut(bytes(data), self._interim)", " or b'HTTP/1.1'", "parser"),
    Mutation("empty lines may come before", "head", 'raw = raw.lstrip(b"\\r\\n")  # llhttp', "pass  # llhttp", "parser"),
    Mutation("interim answers are bounded", "parser", "elif self._interim > MAX_INTERIM:", "elif False:", "parser"),
    Mutation("101 is an error", "parser", "elif status == 101:", "elif False:", "parser"),
    Mutation("status under 100", "parser", "        if status < 100:\n", "        if False:\n", "parser"),
    Mutation("the size of headers is bounded", "parser", "len(head) > MAX_HEAD or ", "", "parser"),
    Mutation("the number of headers is bounded", "parser", ' or head.count(b"\\r\\n") > MAX_HEADERS', "", "parser"),
    Mutation("nothing goes on for ever", "parser", "if self._overhead > MAX_OVERHEAD", "if False", "parser"),
    Mutation("progress resets that bound", "parser", "if self.size == before else 0", "", "parser"),
    Mutation("only HTTP/1", "parser", 'if not head.startswith(b"HTTP/1."):', "if False:", "parser"),
    Mutation("only chunked", "parser", 'transfer[0].lower() != b"chunked"', "False", "parser"),
    Mutation("one framing", "parser", "len(transfer) > 1 or ", "", "parser"),
    Mutation("a length over the bound", "parser", "if int(value) > self._limit:", "if False:", "parser"),
    Mutation("no body, no bound", "parser", "        elif not self.complete:\n", "        else:\n", "parser"),
    Mutation("a body over the bound", "parser", "        if self.size > self._limit:\n", "        if False:\n", "parser"),
    Mutation("a second body is surplus", "parser", "        if self.complete:\n            self.surplus = True\n            return\n", "", "parser"),
    Mutation("a second message is surplus", "parser", '        """A message begins: one too many if the answer is complete."""\n        if self.complete:\n            self.surplus = True', '        """A message begins."""', "parser"),
    Mutation("a second head changes nothing", "parser", "if self.surplus or parser is None:", "if parser is None:", "parser"),
    Mutation("junk behind an answer is surplus", "parser", "            if self.complete:\n                self.surplus = True\n            elif self.error is None:", "            if self.error is None:", "parser"),
    Mutation("blanks around values are dropped", "head", 'value.strip(b" \\t")', "value", "parser framing"),
    Mutation("also of a single one", "answer", '.strip(b" \\t")', "", "framing"),
    Mutation("the first header counts", "answer", "self._lowered.find(", "self._lowered.rfind(", "framing"),
    Mutation("all codings count", "parser", 'b",".join(codings)', "codings[-1]", "parser"),
    Mutation("several members", "decompress", "if wbits != _GZIP or not packed.startswith(_GZIP_MAGIC):", "if True:", "decompress"),
    Mutation("padding is no member", "decompress", " or not packed.startswith(_GZIP_MAGIC)", " or not packed", "decompress"),
    Mutation("a cut body", "decompress", "        if not member.eof:\n", "        if False:\n", "decompress"),
    Mutation("the bound on unpacking", "decompress", "        if room < 0:\n", "        if False:\n", "decompress"),
    Mutation("unpacking stops at the bound", "decompress", "member.decompress(packed, room + 1)", "member.decompress(packed)", "decompress"),
    Mutation("deflate without a header", "decompress", "_ZLIB if _has_zlib_header(body) else _RAW", "_ZLIB", "decompress"),
    Mutation("unknown codings", "decompress", "            case unknown:\n                raise", "            case unknown if False:\n                raise", "decompress"),
    # Sending and streaming
    Mutation("an early answer stops a body of bytes", "connection", "            if self._answered:\n                return\n", "", "streaming"),
    Mutation("an early answer wakes a sleeping body", "connection", "upload.reschedule(self._loop.time())", "pass", "streaming timeouts"),
    Mutation("an early answer stops pieces", "connection", "                    if self._answered:\n                        break\n", "", "streaming"),
    Mutation("a refusal counts from its head on", "connection", "return self.parser.complete or self.parser.status >= 400", "return self.parser.complete", "streaming"),
    Mutation("any early answer is no refusal", "connection", "self.parser.status >= 400", "self.parser.status > 0", "streaming"),
    Mutation("a body's own TimeoutError is its own", "connection", "            if not upload.expired():\n                raise\n", "            pass\n", "streaming"),
    Mutation("sending waits for the server", "connection", "while self._writing_paused and not self._answered:", "while False:", "streaming timeouts"),
    Mutation("reading waits for the reader", "connection", "                self.transport.pause_reading()\n", "", "streaming"),
    Mutation("reading goes on", "connection", "            self.transport.resume_reading()\n", "", "streaming"),
    Mutation("a stream left early closes", "pool", "        elif not connection.closed:\n            connection.abort()\n", "", "streaming"),
    Mutation("a stream is closed once", "answer", "connection, self._connection = self._connection, None\n        if connection is not None:", "connection = self._connection\n        if connection is not None:", "streaming"),
    Mutation("pieces are cut", "connection", "for start in range(0, len(view), SLICE):", "for start in (0,):", "streaming"),
    # Timeouts
    Mutation("the read timeout", "connection", "            due = min(due, self._loop.time() + self._read_timeout)\n", "            pass\n", "timeouts"),
    Mutation("each byte starts it anew", "connection", "        if self._awaited and self._phase is READING:\n            self._watch()\n", "", "timeouts"),
    Mutation("the reader's pause is not the server's", "connection", "            finally:\n                self._rest()\n", "            finally:\n                pass\n", "timeouts"),
    Mutation("nor before its first wait", "connection", "        if not self._collect:\n            self._rest()\n", "", "timeouts"),
    Mutation("the sender's pause is not the server's", "connection", "                    self._set_due(self._end)\n        except", "        except", "timeouts"),
    Mutation("the write timeout", "connection", "self._set_due(self._end if patience is None else min(self._end, self._loop.time() + patience))", "pass", "timeouts"),
    Mutation("the whole time", "connection", "        due = self._end\n", "        due = INFINITY\n", "timeouts"),
    Mutation("the pool timeout", "../_places", "None if min(until, end) == INFINITY else", "None if True else", "timeouts"),
    Mutation("the whole time counts in the queue", "../_places", "loop.call_at(min(until, end), _refuse, waiter)", "loop.call_at(until, _refuse, waiter)", "timeouts"),
    Mutation("the timer follows what is due", "connection", "        if self._due > self._loop.time():\n", "        if False:\n", "timeouts reuse"),
    Mutation("an earlier due is heeded", "connection", "        if due < self._armed:\n", "        if self._armed == INFINITY:\n", "reuse timeouts"),
    Mutation("one lazy timer", "connection", "        if due < self._armed:\n", "        if True:\n", "timeouts"),
    # Transport and transport
    Mutation("no smuggled line in the transport", "transport", 'if _VISIBLE(f"{method} {target} {request_id}") is None:', "if False:", "transport"),
    Mutation("an empty body is announced", "transport", 'b"Content-Length: 0\\r\\n\\r\\n" if method in _WITH_BODY else b"\\r\\n"', 'b"\\r\\n"', "transport"),
    Mutation("the transport closes only its own pool", "transport", "        if self._owns_pool:\n", "        if True:\n", "transport"),
    Mutation("no user name in the address", "transport", "parts.username is not None or ", "", "transport"),
    Mutation("heads are hidden", "transport", "Hidden(start", "bytes(start", "transport"),
    Mutation("no smuggled line in the transport", "../_http/transport", "    if _LINE(line) is None:\n", "    if False:\n", "transport"),
    Mutation("no smuggled header in the transport", "../_http/transport", "_NAME(name) is None or _FORBIDDEN(value) is not None", "False", "transport"),
    Mutation("no smuggled value in the transport", "../_http/transport", " or _FORBIDDEN(value) is not None", "", "transport"),
    Mutation("the transport repeats reads only", "../_http/transport", "repeatable=request.method in _SAFE", "repeatable=True", "transport"),
    Mutation("the transport closes only its own pool", "../_http/transport", "        if self._owns_pool:\n", "        if True:\n", "transport"),
    Mutation("a redirected body is read", "../_http/transport", "await request.aread()", "request.content", "transport"),
    Mutation("errors are translated", "../_http/transport", "        except TransportError as error:\n            raise _translated(error) from error\n        return", "        except ZeroDivisionError as error:\n            raise\n        return", "transport"),
    Mutation("errors of a body are translated", "../_http/transport", "                yield part\n        except TransportError as error:\n            raise _translated(error) from error", "                yield part\n        except ZeroDivisionError as error:\n            raise", "transport"),
]  # fmt: skip


def noticed(mutation: Mutation, folder: Path) -> str | None:
    """The test that failed; None if none did."""
    shutil.copytree(ROOT / "cloud66_async", folder / "cloud66_async", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "pool", folder / "tests" / "pool", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    module = (folder / "cloud66_async" / "pool" / f"{mutation.module}.py").resolve()
    text = module.read_text()
    if mutation.guard not in text:
        sys.exit(f"{mutation.name}: the guard is not in {mutation.module} any more")
    module.write_text(text.replace(mutation.guard, mutation.instead))
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
            "--timeout-method=thread",  # uvloop lets no signal interrupt it
            "--tb=no",
        ]
        run = subprocess.run(
            [*command, *tests], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if run.returncode not in {0, 5}:  # 5: no test was chosen
            found = re.search(r"(?:FAILED|ERROR) tests/pool/(\S+)|Timeout", run.stdout + run.stderr)
            return found[0] if found else run.stdout[-300:]
    return None


def main(wanted: list[str]) -> int:
    chosen = [mutation for mutation in MUTATIONS if not wanted or any(part in mutation.name for part in wanted)]
    missed = 0
    for mutation in chosen:
        with tempfile.TemporaryDirectory() as folder:
            test = noticed(mutation, Path(folder))
        missed += test is None
        print(f"{mutation.name}: {test or 'NOBODY NOTICED'}", flush=True)
    print(f"{len(chosen)} guards removed, {missed} not noticed")
    return missed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
