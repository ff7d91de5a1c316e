"""`await` and `async for` read pages concurrently: how many, when, and what happens to them. Over a real connection."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest

from cloud66_async import Cloud66, ConfigError, Pager, Retry, ServerError, Stack
from cloud66_async.sandbox import SandboxServer

from ..support import Script, client, iterations, make_error, pages, tasks_left
from .listings import FakeListing, serving

ONCE = Retry(attempts=1)


pytestmark = pytest.mark.usefixtures("no_tasks_left")


@pytest.fixture
async def reported() -> list[Any]:
    """What the event loop reports, such as errors that nobody retrieved."""
    found: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has happened at the other end of a connection."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def in_flight(listing: FakeListing, numbers: Iterable[int]) -> None:
    """Wait until exactly these pages are requested."""
    await until(lambda: listing.in_flight == set(numbers))
    await iterations()
    assert listing.in_flight == set(numbers)


async def take(stacks: AsyncIterator[Stack], count: int) -> list[str]:
    """Read so many items."""
    return [(await anext(stacks)).uid for _ in range(count)]


async def awaited(pager: Pager[Any]) -> list[str]:
    return [text(item) for item in await pager]


async def iterated(pager: Pager[Any]) -> list[str]:
    return [text(item) async for item in pager]


def text(item: Stack | str) -> str:
    return item if isinstance(item, str) else item.uid


READERS = {"await": awaited, "async for": iterated}
every_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)
Read = Callable[[Pager[Any]], Coroutine[Any, Any, list[str]]]


# --- how many pages, and when -----------------------------------------------------------------------------


@every_reader
def test_each_page_of_the_sandbox_is_requested_once(read: Read) -> None:
    async def run(server: SandboxServer) -> list[str]:
        async with Cloud66(server.fake.add_token().reveal(), url=server.url) as c66:
            return await read(c66.stacks.list())

    with SandboxServer() as server:
        seeded = server.fake.seed(200)
        found = asyncio.run(run(server))
        assert found == [stack.uid for stack in seeded]
        assert sorted(request.parameters["page"] for request in server.fake.requests) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("limit", [1, 3, 32])
async def test_await_reads_as_many_pages_as_the_client_has_connections(limit: int) -> None:
    listing = FakeListing(*[2] * 21)
    listing.hold(released=1)
    async with serving(listing, limit=limit) as c66:
        task = asyncio.create_task(awaited(c66.stacks.list()))
        await in_flight(listing, range(2, 2 + min(limit, 20)))
        listing.release(*range(2, 22))
        assert await task == listing.all_items()
    assert sorted(listing.requested) == list(range(1, 22))


@pytest.mark.parametrize(("stop", "requests"), [(1, 1), (15, 1), (16, 1), (17, 5), (31, 5)])
async def test_nothing_is_read_ahead_before_half_of_the_first_page_was_used(stop: int, requests: int) -> None:
    listing = FakeListing(*[30] * 20)
    async with serving(listing) as c66, aclosing(aiter(c66.stacks.list())) as stacks:
        assert await take(stacks, stop) == listing.all_items()[:stop]
        await until(lambda: len(listing.requested) == requests)
        await iterations()
        assert sorted(listing.requested) == list(range(1, requests + 1))


@pytest.mark.parametrize(("limit", "ahead"), [(50, [4, 8, 16, 32, 32]), (10, [4, 8, 10, 10]), (2, [2, 2, 2])])
async def test_twice_as_many_pages_are_read_ahead_with_each_page(limit: int, ahead: list[int]) -> None:
    listing = FakeListing(*[2] * 80)
    listing.hold(released=1)
    async with serving(listing, limit=limit) as c66, aclosing(aiter(c66.stacks.list())) as stacks:
        await take(stacks, 1)
        for number, count in enumerate(ahead, 1):
            assert await take(stacks, 1) == [f"{number}.1"]
            following = asyncio.create_task(take(stacks, 1))
            await in_flight(listing, range(number + 1, number + 1 + count))
            listing.release(number + 1)
            assert await following == [f"{number + 1}.0"]


async def test_pages_are_read_one_by_one_if_nothing_tells_how_many_there_are() -> None:
    listing = FakeListing(*[2] * 8, totals=False)
    async with serving(listing) as c66:
        assert await awaited(c66.stacks.list()) == await iterated(c66.stacks.list()) == listing.all_items()
    assert listing.requested == [*range(1, 9)] * 2
    assert listing.most_in_flight == 1


# --- errors -----------------------------------------------------------------------------------------------


async def test_await_raises_the_error_of_a_page_alone_and_cancels_the_others(reported: list[Any]) -> None:
    listing = FakeListing(*[1] * 9)
    listing.hold(released=1)
    listing.errors[5] = listing.errors[7] = ServerError("500", status=500)
    async with serving(listing, retry=ONCE, limit=6) as c66:
        task = asyncio.create_task(awaited(c66.stacks.list()))
        await in_flight(listing, range(2, 8))
        listing.release(5)
        with pytest.raises(ServerError):
            await task
        await until(lambda: sorted(listing.cancelled) == [2, 3, 4, 6, 7])
    assert listing.requested == [1, 2, 3, 4, 5, 6, 7]
    gc.collect()
    assert reported == []


async def test_async_for_yields_the_pages_before_an_error_and_cancels_those_after_it(reported: list[Any]) -> None:
    listing = FakeListing(*[2] * 9)
    listing.hold(released=1)
    listing.errors[3] = listing.errors[4] = ServerError("500", status=500)
    found: list[str] = []

    async def read(pager: Pager[Stack]) -> None:
        async for stack in pager:
            found.append(stack.uid)  # noqa: PERF401  a comprehension would lose them

    async with serving(listing, retry=ONCE) as c66:
        task = asyncio.create_task(read(c66.stacks.list()))
        await in_flight(listing, range(2, 6))
        listing.release(3, 4)
        await in_flight(listing, {2, 5})
        listing.release(2)
        with pytest.raises(ServerError):
            await task
        await until(lambda: 5 in listing.cancelled)
    assert found == ["1.0", "1.1", "2.0", "2.1"]
    gc.collect()
    assert reported == []


@every_reader
async def test_error_keeps_nothing_alive(read: Read) -> None:
    listing = FakeListing(*[2] * 9)
    listing.errors[3] = ServerError("500", status=500)

    async def fail(c66: Cloud66) -> weakref.ref[ServerError]:
        try:
            await read(c66.stacks.list())
        except ServerError as error:
            return weakref.ref(error)
        raise AssertionError

    async with serving(listing, retry=ONCE) as c66:
        gc.disable()
        try:
            failure = await fail(c66)
            assert failure() is None
        finally:
            gc.enable()


@asynccontextmanager
async def anyio_deadline(seconds: float) -> AsyncGenerator[None]:
    with anyio.fail_after(seconds):
        yield


DEADLINES = {"asyncio": asyncio.timeout, "anyio": anyio_deadline}
Deadline = Callable[[float], AbstractAsyncContextManager[object]]
every_deadline = pytest.mark.parametrize("deadline", DEADLINES.values(), ids=DEADLINES)


@every_reader
@every_deadline
async def test_error_is_raised_instead_of_a_pause_beyond_the_deadline(read: Read, deadline: Deadline) -> None:
    def reply(request: Any) -> Any:
        if "page=1" in request.target:
            return pages(*[[{"uid": "a"}]] * 5)(request)
        return make_error(500, retry_after="30")

    transport = Script(reply)
    async with client(transport, retry=Retry(attempts=2)) as c66:
        with pytest.raises(ServerError):
            async with deadline(20):
                await read(c66.stacks.list())
        assert len(set(transport.targets)) == len(transport.targets)
        with pytest.raises(ServerError):
            await read(c66.stacks.list())
        assert len(set(transport.targets)) < len(transport.targets)


# --- ending early -----------------------------------------------------------------------------------------


@every_reader
@every_deadline
async def test_deadline_cancels_the_pages_in_flight(read: Read, deadline: Deadline) -> None:
    listing = FakeListing(*[1] * 5)
    listing.hold(released=1)
    async with serving(listing) as c66:
        with pytest.raises(TimeoutError):
            async with deadline(0.1):
                await read(c66.stacks.list())
        await until(lambda: sorted(listing.cancelled) == sorted(listing.requested[1:]))
        assert listing.in_flight == set()


@every_reader
async def test_error_in_a_task_group_cancels_the_pages_in_flight(read: Read, reported: list[Any]) -> None:
    listing = FakeListing(*[1] * 5)
    listing.hold(released=1)

    async def fail() -> None:
        await in_flight(listing, range(2, 6))
        raise ServerError("500", status=500)

    async with serving(listing) as c66:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(read(c66.stacks.list()))
                group.create_task(fail())
        await until(lambda: sorted(listing.cancelled) == [2, 3, 4, 5])
    assert [type(error) for error in caught.value.exceptions] == [ServerError]
    assert reported == []


async def test_break_cancels_the_pages_read_ahead(reported: list[Any]) -> None:
    listing = FakeListing(*[30] * 9)
    listing.hold(released=1)
    async with serving(listing) as c66:
        async for stack in c66.stacks.list():
            if stack.uid == "1.20":
                await in_flight(listing, range(2, 6))
                break
        await until(lambda: sorted(listing.cancelled) == [2, 3, 4, 5])
        await until(lambda: not tasks_left())  # the server's tasks end some iterations later
    gc.collect()
    assert reported == []


async def uids(c66: Cloud66) -> AsyncGenerator[str]:
    """Yield from a list in a generator of one's own."""
    async for stack in c66.stacks.list():
        yield stack.uid


async def test_generator_can_be_read_and_closed_in_different_tasks(reported: list[Any]) -> None:
    listing = FakeListing(*[3] * 9)
    async with serving(listing) as c66:
        generator = uids(c66)
        found = [await asyncio.create_task(anext(generator)) for _ in range(20)]
        await asyncio.create_task(generator.aclose())
        await until(lambda: not listing.in_flight)
        async for uid in uids(c66):
            if uid == "2.1":
                break
    assert found == listing.all_items()[:20]
    gc.collect()
    assert reported == []


class SlowToCancel(FakeListing):
    """A list whose requests take a while to be cancelled."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.ended = asyncio.Event()
        self.hold(released=1)

    async def read(self, number: int) -> Any:
        try:
            return await super().read(number)
        except asyncio.CancelledError:
            await self.ended.wait()
            raise


@every_reader
@pytest.mark.parametrize("fails", [True, False])
async def test_cancellation_while_requests_end_is_not_lost(read: Read, fails: bool) -> None:
    listing = SlowToCancel(*[1] * 5)
    listing.errors[2] = ServerError("500", status=500)
    task = asyncio.create_task(read(listing.pager()))
    await in_flight(listing, range(2, 6))
    if fails:
        listing.release(2)
    else:
        task.cancel()
    for _ in range(2):
        await iterations()
        assert not task.done()
        task.cancel()
    await iterations()
    listing.ended.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tasks_left() == set()


@pytest.mark.parametrize("closed", [True, False])
def test_iteration_cannot_go_on_in_another_event_loop(closed: bool) -> None:
    async def reply(request: Any) -> Any:
        if "page=1" not in request.target:
            await asyncio.Event().wait()
        return pages(*[[{"uid": "a"}, {"uid": "b"}, {"uid": "c"}]] * 5)(request)

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.set_exception_handler(
        lambda _loop, _context: None
    )  # the tasks of a loop that was closed too early are reported
    c66 = client(Script(reply))
    stacks = aiter(c66.stacks.list())
    first.run_until_complete(take(stacks, 3))
    first.run_until_complete(iterations())
    if closed:
        first.close()
    with pytest.raises(ConfigError, match="another event loop"):
        second.run_until_complete(take(stacks, 1))
    if not closed:
        first.run_until_complete(iterations())
    second.run_until_complete(c66.aclose())
    first.close()
    second.close()
