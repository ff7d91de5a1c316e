"""A client behind a forward proxy that is killed and restarted: every call ends, and no write is doubled."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from cloud66_async import Cloud66, Retry, Timeouts
from cloud66_async.sandbox import SandboxServer

from ..pool.test_connector import closed_port
from .chaos import ChaosSandbox
from .chaos_client import HurriedClock
from .load import Load, slow_writes

pytest.importorskip("uvicorn", reason="the sandbox's server needs the extra `sandbox`")

WORKERS = 8


class ForwardProxy:
    """A proxy for requests with an absolute URL and for tunnels (CONNECT), which can be killed and started again."""

    def __init__(self) -> None:
        self.port = closed_port()
        self.methods: Counter[str] = Counter()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def kill(self) -> None:
        """Accept no more connections, and reset those that are open."""
        assert self._server is not None
        self._server.close()
        tasks = list(self._open)
        for task, writer in self._open.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        upstream: asyncio.StreamWriter | None = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, rest = head.split(b" ", 2)
            self.methods[method.decode()] += 1
            is_tunnel = method == b"CONNECT"
            where = urlsplit(f"//{target.decode()}" if is_tunnel else target.decode())
            answers, upstream = await asyncio.open_connection(where.hostname, where.port)
            if is_tunnel:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:  # one request for each connection
                path = target.split(b"/", 3)[3]
                lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith(b"connection:")]
                upstream.write(
                    b" ".join([method, b"/" + path, b"\r\n".join([*lines[:1], b"Connection: close", *lines[1:]])])
                )
            async with asyncio.TaskGroup() as group:
                sent = group.create_task(copy(reader, upstream))
                await copy(answers, writer)
                sent.cancel()
        except (OSError, asyncio.IncompleteReadError, ExceptionGroup):
            pass
        except asyncio.CancelledError:
            if self._server is None or self._server.is_serving():
                raise
        finally:
            for each in (writer, upstream):
                if each is not None:
                    each.transport.abort() if self._is_killed() else each.close()
            del self._open[task]

    def _is_killed(self) -> bool:
        return self._server is None or not self._server.is_serving()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@pytest.fixture(params=[False, True], ids=["absolute", "tunnel"])
def upstream(request: pytest.FixtureRequest) -> Iterator[SandboxServer]:
    with SandboxServer(ChaosSandbox(), tls=request.param) as server:
        yield server


@pytest.mark.slow
async def test_proxy_that_restarts_under_load(upstream: SandboxServer) -> None:
    fake, proxy = upstream.fake, ForwardProxy()
    assert isinstance(fake, ChaosSandbox)
    slow_writes(fake)
    load = Load([fake.add_stack(f"s{number}").uid for number in range(10)])
    await proxy.start()
    async with Cloud66(
        fake.add_token(), url=upstream.url, proxy=proxy.url, tls=tls(upstream), clock=HurriedClock(), limit=WORKERS,
        retry=Retry(attempts=5, base=1), timeout=Timeouts(connect=2, read=2, total=10),
    ) as c66:  # fmt: skip
        workers = [asyncio.create_task(load.work(c66)) for _ in range(WORKERS)]
        for pause in (0.0, 0.05, 0.2):
            await load.more()
            await proxy.kill()
            await asyncio.sleep(pause)  # for which the proxy refuses connections
            await proxy.start()
        await load.more()
        load.stopped = True
        await asyncio.gather(*workers)
        assert (await c66.environment_variables.create(load.uids[0], "LAST", value="x")).stack == load.uids[0]
    await proxy.kill()
    assert set(proxy.methods) == ({"GET", "POST"} if upstream.ca_file is None else {"CONNECT"})
    assert load.wrong(fake.applied) == []


def tls(upstream: SandboxServer) -> ssl.SSLContext | None:
    return None if upstream.ca_file is None else ssl.create_default_context(cafile=str(upstream.ca_file))
