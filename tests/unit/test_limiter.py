"""Waiting for the limiter: timeouts, errors, and independence of processes and users."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import pytest
import uvloop

from cloud66_async import Cloud66, ConfigError, Timeouts, TransportError, TransportTimeout
from cloud66_async._core.limiter import Limiter

from ..support import ONCE, TOKEN, RecordingClock, Script, client, iterations, make_response, wire

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("timeout", [0.0, 0.0004, 0.0011, 0.005])
def test_expired_wait_raises_timeout_on_every_event_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], timeout: float
) -> None:
    async def wait() -> None:
        limiter = Limiter(0)
        for _ in range(20):
            with pytest.raises(TransportTimeout) as caught:
                await limiter.acquire(timeout)
            assert (caught.value.phase, caught.value.sent) == ("pool", False)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(wait())


async def test_closed_limiter_is_not_a_timeout() -> None:
    limiter = Limiter(0)
    waiting = asyncio.ensure_future(limiter.acquire(60))
    await iterations()
    limiter.close()
    with pytest.raises(TransportError, match="was closed") as caught:
        await waiting
    assert not isinstance(caught.value, TransportTimeout)


@pytest.mark.parametrize(
    ("timeouts", "phase"), [(Timeouts(pool=0.01), "pool"), (Timeouts(total=0.01), "total")], ids=["pool", "total"]
)
async def test_wait_for_the_limiter_counts_towards_the_timeout(timeouts: Timeouts, phase: str) -> None:
    release = asyncio.Event()

    async def slow(_: object) -> object:
        await release.wait()
        return make_response({"response": {"uid": "a"}})

    async with client(Script(slow), limit=1, timeout=timeouts, retry=ONCE) as c66:
        first = asyncio.ensure_future(c66.stacks.get("a"))
        await iterations()
        with pytest.raises(TransportTimeout) as caught:
            await c66.stacks.get("b")
        assert (caught.value.phase, caught.value.sent) == (phase, False)
        release.set()
        assert (await first).uid == "a"


async def test_transport_gets_the_remaining_time() -> None:
    release = asyncio.Event()

    async def slow(_: object) -> object:
        await release.wait()
        return make_response({"response": {"uid": "a"}})

    transport = Script(slow, make_response({"response": {"uid": "b"}}))
    async with client(transport, limit=1, timeout=60) as c66:
        before = time.monotonic()
        calls = [asyncio.ensure_future(c66.stacks.get(uid)) for uid in "ab"]
        await iterations()
        release.set()
        await asyncio.gather(*calls)
        waited = time.monotonic() - before
    first, second = (request.timeouts.total for request in transport.requests)
    assert first == 60
    assert second is not None
    assert 60 - waited <= second < 60


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_forked_processes_use_different_request_ids() -> None:
    transport = Script()
    async with client(transport, clock=RecordingClock()) as c66:
        await c66.stacks.get("a")
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        from cloud66_async._core import sender

        os.write(write_end, sender._process.encode())
        os._exit(0)
    os.waitpid(child, 0)
    in_child = os.read(read_end, 100).decode()
    os.close(read_end)
    os.close(write_end)
    assert in_child
    assert not transport.requests[0].request_id.startswith(in_child)


async def test_no_cookie_reaches_another_user() -> None:
    def reply(_: object) -> bytes:
        body = b'{"response":{"uid":"a"}}'
        return b"HTTP/1.1 200 OK\r\nSet-Cookie: session=first-user; Path=/\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )

    async with wire(reply) as server, Cloud66(TOKEN, url=server.url, pool="httpx") as c66:
        await c66.stacks.get("a")
        await c66.using(token="another-user").stacks.get("a")
    assert all("cookie" not in received.headers for received in server.received)
    assert len(server.received) == 2


@pytest.mark.parametrize("use", ["call", "each", "prefetch"])
def test_other_async_libraries_get_a_config_error(use: str) -> None:
    async def run() -> None:
        c66 = client(Script())
        if use == "call":
            await c66.stacks.get("a")
        elif use == "each":
            async with c66.each(c66.stacks.get, ["a"]):
                pass
        else:
            async with c66.stacks.list().prefetch() as stacks:
                await anext(stacks)

    coroutine = run()  # without an event loop of asyncio, as under trio
    with pytest.raises(ConfigError, match="supports asyncio only"):
        coroutine.send(None)
