"""Secrets planted in every kind of use, and a search for them in everything that a program puts out.

The servers repeat each secret that they receive, as hostile or careless servers do.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import ssl
import sys
import traceback
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import trustme

from cloud66_async import Cloud66, Cloud66Error, ConfigError, Secret, Stack, Token
from cloud66_async._http.library import httpx

from ..conftest import PoolName
from ..oauth.evidence import error_output, shown
from ..support import ONCE, ReceivedRequest, Script, client, packet, wire
from .planted import APPLICATION, CLIENT_SECRET, CODE, HOOK, PASSWORD, REDIRECT, TOKEN, Planted, frames, outputs

# --- the use of a client, over each kind of connection


def repeat(received: ReceivedRequest) -> bytes:
    """Refuse the request, and repeat its secrets in the status line, the headers and the body."""
    token = received.headers.get("authorization", "").removeprefix("Bearer ")
    sent = received.body.decode()
    body = json.dumps({"error": "invalid_token", "error_description": f"{token} {sent} unknown"})
    words = " ".join([token, *(pair.partition("=")[2] for pair in sent.split("&"))])
    return packet(body.encode(), f"401 {words}", f"X-Repeated: {words}", f"WWW-Authenticate: Bearer error={token}")


@asynccontextmanager
async def http2_server(folder: Path) -> AsyncGenerator[dict[str, Any]]:
    """Start the HTTP/2 server. Yield the options of a client for it."""
    pytest.importorskip("h2")
    authority = trustme.CA()
    certificate = folder / "certificate.pem"
    certificate.write_bytes(authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes())  # pyright: ignore[reportUnknownMemberType]
    tls = ssl.create_default_context()
    authority.configure_trust(tls)  # pyright: ignore[reportUnknownMemberType]
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.unit.echo_server", str(certificate), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        port = int(await server.stdout.readline())
        yield {"url": f"https://127.0.0.1:{port}", "tls": tls, "http2": True}
    finally:
        server.terminate()
        await server.wait()


@asynccontextmanager
async def connection(kind: str, folder: Path) -> AsyncGenerator[dict[str, Any]]:
    """Yield the options of a client whose requests go over this kind of connection to a server that repeats them."""
    if kind == "http2":
        async with http2_server(folder) as options:
            yield options
        return
    async with wire(repeat) as server:
        if kind == "proxy":
            proxy = server.url.replace("//", f"//user:{PASSWORD}@")
            yield {"url": "http://localhost:9", "proxy": proxy}
        elif kind == "custom":
            yield {"url": server.url, "transport": httpx.AsyncHTTPTransport()}
        else:
            yield {"url": server.url, "pool": kind}


@asynccontextmanager
async def connected(kind: str, folder: Path) -> AsyncGenerator[Cloud66]:
    """Yield a client whose requests go over this kind of connection."""
    options = connection(kind, folder)
    async with options as found, Cloud66(TOKEN, retry=ONCE, **APPLICATION, **found) as c66:
        yield c66


KINDS = ["own", "httpx", "http2", "proxy", "custom"]


@pytest.fixture(params=KINDS)
async def c66(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cloud66]:
    async with connected(request.param, tmp_path) as opened:
        yield opened


async def failures(c66: Cloud66, planted: Planted) -> list[Cloud66Error]:
    """Use a client in every way that sends a secret, and return the errors."""
    login = c66.login()
    planted.plant(login)
    planted.search(*outputs(login))
    uses: list[Callable[[], Awaitable[object]]] = [
        lambda: c66.stacks.get("a"),
        lambda: c66.stacks.get("a"),  # over a reused connection: hpack logs what it has in its table
        lambda: c66.stacks.list().first(),
        lambda: c66.finish_login(login, f"{REDIRECT}?code={CODE}&state={login.state}"),
        lambda: c66.revoke(TOKEN),
    ]
    errors: list[Cloud66Error] = []
    for use in uses:
        with pytest.raises(Cloud66Error) as caught:
            await use()
        errors.append(caught.value)
    return errors


async def test_nothing_shows_a_secret_that_a_server_repeats(c66: Cloud66, planted: Planted) -> None:
    for error in await failures(c66, planted):
        planted.search(*outputs(error), error_output(error), frames(error))
    async with httpx.AsyncClient(transport=c66.transport, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        await client.get(f"{c66._config.address.site}/x")
    planted.search(*outputs(c66), *outputs(c66.using(token=f"{TOKEN}-2")))
    assert planted.log.getvalue()  # the libraries have logged


async def test_other_requests_are_logged_as_usual(c66: Cloud66, planted: Planted, tmp_path: Path) -> None:
    """The redaction ends with the SDK's requests. The HTTP library logs the headers of others' responses."""
    with suppress(Cloud66Error):
        await c66.stacks.get("a")
    async with connection("http2", tmp_path) as options, httpx.AsyncClient(http2=True, verify=options["tls"]) as client:
        await client.get(options["url"], headers={"Authorization": "Bearer of-another-program"})
    log = planted.log.getvalue()
    assert "Adding b':path'=b'/' to the header table" in log
    assert "(b'x-repeated', b'of-another-program" in log
    assert TOKEN not in log


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpcore does not close the connection
async def test_password_of_a_socks_proxy_is_not_logged(planted: Planted) -> None:
    pytest.importorskip("socksio")

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b"\x05\x02")
        await reader.read(100)
        writer.write(b"\x01\x01")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Cloud66(TOKEN, proxy=f"socks5://user:{PASSWORD}@127.0.0.1:{port}", retry=ONCE) as c66:
        with pytest.raises(Cloud66Error) as caught:
            await c66.stacks.get("a")
        planted.search(*outputs(c66), *outputs(caught.value), error_output(caught.value), frames(caught.value))
    server.close()
    await server.wait_closed()
    assert "setup_socks5_connection" in planted.log.getvalue()


@pytest.mark.parametrize("kind", ["own", "httpx"])
async def test_malformed_response_is_not_quoted(kind: PoolName, planted: Planted) -> None:
    def reply(received: ReceivedRequest) -> bytes:
        return f"HTTP/1.1 401 No\r\n{received.headers['authorization']}\r\n\r\n".encode()

    async with wire(reply) as server, Cloud66(TOKEN, url=server.url, pool=kind, retry=ONCE) as c66:
        with pytest.raises(Cloud66Error) as caught:
            await c66.stacks.get("a")
    planted.search(*outputs(caught.value), error_output(caught.value), frames(caught.value))


# --- arguments that are rejected

REJECTED: dict[str, Callable[[], object]] = {
    "url": lambda: Cloud66(TOKEN, url="ftp://example"),
    "token": lambda: Cloud66(f"{TOKEN} x"),
    "token in the middle": lambda: Cloud66("t").using(token=f"{TOKEN} x"),
    "timeout of a view": lambda: Cloud66("t").using(token=TOKEN, timeout=-1),
    "client secret": lambda: Cloud66(client_id="ID", client_secret=f"{CLIENT_SECRET}\n"),
    "limit": lambda: Cloud66(**APPLICATION, limit=0),
    "token as Token": lambda: Token(f"{TOKEN} x"),
}


@pytest.mark.parametrize("create", REJECTED.values(), ids=REJECTED)
def test_rejected_argument_leaves_no_secret_in_the_frames(create: Callable[[], object], planted: Planted) -> None:
    with pytest.raises(ConfigError) as caught:
        create()
    planted.search(*outputs(caught.value), error_output(caught.value), frames(caught.value))


@pytest.mark.parametrize(
    "proxy", [f"http://u:{PASSWORD}@h:x", f"http://u:{PASSWORD}/@h", f"u:{PASSWORD}@h:1", "http://[::1"]
)
@pytest.mark.parametrize("source", ["argument", "environment"])
async def test_rejected_proxy_leaves_no_password(
    proxy: str, source: str, planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "environment":
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    async with Cloud66(TOKEN, retry=ONCE, proxy=proxy if source == "argument" else None, timeout=5) as c66:
        with pytest.raises(Cloud66Error) as caught:
            await c66.stacks.get("a")
        planted.search(*outputs(c66), *outputs(caught.value), error_output(caught.value), frames(caught.value))


# --- values


def test_values_are_hidden(planted: Planted) -> None:
    stack = Stack(uid="a", redeploy_hook=Secret(HOOK))
    token = Token(TOKEN)
    for value in (stack, token, copy.copy(stack), copy.deepcopy(token), pickle.loads(pickle.dumps(stack))):
        planted.search(*outputs(value), shown({"a": [value]}))


# --- asyncio, warnings and unraisable errors


def run_in_debug_mode(main: Callable[[], Awaitable[None]]) -> None:
    """Run on an event loop that warns of every callback, as if all were slow."""
    with asyncio.Runner(debug=True) as runner:
        loop = cast("Any", runner.get_loop())
        loop.slow_callback_duration = 0.0
        runner.run(cast("Any", main()))


@pytest.mark.parametrize("kind", KINDS)
def test_debug_mode_of_asyncio_shows_no_secret(kind: str, planted: Planted, tmp_path: Path) -> None:
    async def main() -> None:
        async with connected(kind, tmp_path) as c66:
            await failures(c66, planted)
            login = c66.login()
            planted.plant(login)
            task = asyncio.create_task(c66.finish_login(login, {"code": CODE, "state": login.state}))
            await asyncio.wait([task])
            planted.search(repr(task), shown(task.get_stack()))
            del task  # its error was not retrieved, which asyncio logs
            gc.collect()

    run_in_debug_mode(main)
    log = planted.log.getvalue()
    assert "took" in log
    assert "Executing" in log
    assert "exception was never retrieved" in log
    planted.search()


@pytest.mark.parametrize("kind", ["own", "httpx"])
def test_abandoned_work_shows_no_secret(kind: PoolName, planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is not closed, a coroutine that is not awaited, a task that is destroyed."""
    unraisable: list[str] = []

    def hook(found: Any) -> None:
        unraisable.append(f"{found.err_msg} {found.object!r} {found.exc_value!r} {frames(found.exc_value)}")

    monkeypatch.setattr(sys, "unraisablehook", hook)
    loop = asyncio.new_event_loop()
    loop.set_debug(True)

    async def main() -> None:
        c66 = Cloud66(TOKEN, **APPLICATION)
        login = c66.login()
        planted.plant(login)
        c66.finish_login(login, f"{REDIRECT}?code={CODE}&state={login.state}")  # type: ignore[unused-coroutine]
        c66.stacks.get("a")  # type: ignore[unused-coroutine]
        unclosed = Cloud66(TOKEN, pool=kind, **APPLICATION)
        assert unclosed.transport is not None
        waiting = client(Script(lambda _: loop.create_future()), token=TOKEN)
        task = loop.create_task(waiting.stacks.get("a"))
        await asyncio.sleep(0)
        planted.search(repr(task), repr(asyncio.all_tasks()))
        del unclosed, task
        gc.collect()
        await waiting.aclose()
        await c66.aclose()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.run_until_complete(main())
        loop.close()
    shown_warnings = [
        f"{item.message} {item.source!r} {warnings.formatwarning(item.message, item.category, '', 1)}"
        for item in caught
    ]
    assert any("was never awaited" in text for text in shown_warnings)
    assert any("a Cloud66 client was not closed" in text for text in shown_warnings)
    assert "Task was destroyed" in planted.log.getvalue()
    planted.search(*shown_warnings, *unraisable)


async def test_uncaught_error_in_a_callback_shows_no_secret(planted: Planted) -> None:
    """The event loop's handler of exceptions gets a context, whose values crash reporters send."""
    contexts: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: contexts.append(shown(context)))
    async with wire(repeat) as server, Cloud66(TOKEN, url=server.url, retry=ONCE) as c66:
        task: asyncio.Task[Stack] | None = asyncio.create_task(c66.stacks.get("a"))
        assert task is not None
        await asyncio.wait([task])
        task = None
        gc.collect()
    loop.set_exception_handler(None)
    assert contexts
    planted.search(*contexts)


def test_traceback_module_shows_no_secret(planted: Planted) -> None:
    async def main() -> BaseException:
        async with wire(repeat) as server, Cloud66(TOKEN, url=server.url, retry=ONCE) as c66:
            try:
                await c66.stacks.get("a")
            except Cloud66Error as error:
                return error
        raise AssertionError

    error = asyncio.run(main())
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    planted.search("".join(report.format()))
