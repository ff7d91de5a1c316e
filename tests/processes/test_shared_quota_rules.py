"""What one process does with a shared quota. The book is in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloud66_async import Cloud66, ConfigError, QuotaError, Retry, Throttled, TransportError
from cloud66_async._core import lease
from cloud66_async.operation import get
from cloud66_async.resources.stacks import Stack
from cloud66_async.sandbox import FakeCloud66

from ..support import RecordingClock, Script, client, iterations, make_error, make_response, pages
from .fake_book import CountingServer, FakeBook, FakeQuota, left

READ = get("/things/{thing}.json", Stack)
CALL = READ.bind(thing=1)
HOUR = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def late(recorder: RecordingClock) -> RecordingClock:
    """A clock at 20 seconds before the full hour."""
    recorder.time = HOUR - timedelta(seconds=20)
    return recorder


async def test_one_call_of_the_book_serves_many_requests() -> None:
    quota = FakeQuota()
    async with client(Script(CountingServer(3000)), shared_quota=quota) as c66:
        for _ in range(33):
            await c66.send(CALL)
        assert len(quota.book.calls) == 3  # one to find out the quota, and two leases of 16


async def test_clients_of_the_sandbox_share_a_quota() -> None:
    fake, quota = FakeCloud66(), FakeQuota()
    token = fake.add_token()
    async with fake.client(token, shared_quota=quota) as first, fake.client(token, shared_quota=quota) as second:
        await first.stacks.list()
        await second.stacks.list()
        assert len({report.owner for _, report in quota.book.calls}) == 2


async def test_one_request_finds_out_the_quota() -> None:
    quota, server = FakeQuota(), CountingServer(300)
    server.open.clear()
    transport = Script(server)
    async with client(transport, shared_quota=quota) as c66:
        tasks = [asyncio.create_task(c66.send(CALL)) for _ in range(8)]
        await iterations()
        assert transport.in_flight == 1
        server.open.set()
        await asyncio.gather(*tasks)
    assert transport.most_in_flight > 1


async def test_slow_first_request_does_not_block_the_others_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_PATIENT", 0.01)
    quota, server = FakeQuota(), CountingServer(300)
    server.open.clear()
    transport = Script(server)
    async with client(transport, shared_quota=quota) as c66:
        tasks = [asyncio.create_task(c66.send(CALL)) for _ in range(3)]
        async with asyncio.timeout(60):
            while transport.in_flight < 3:
                await asyncio.sleep(0.01)
        server.open.set()
        await asyncio.gather(*tasks)


async def test_server_that_does_not_report_a_quota_is_not_limited() -> None:
    opened = asyncio.Event()

    async def reply(_request: object) -> Any:
        await opened.wait()
        return make_response({"response": {"uid": "a"}})

    transport = Script(make_response({"response": {"uid": "a"}}), reply)
    async with client(transport, shared_quota=FakeQuota()) as c66:
        await c66.send(CALL)
        tasks = [asyncio.create_task(c66.send(CALL)) for _ in range(8)]
        await iterations()
        assert transport.in_flight == 8
        opened.set()
        await asyncio.gather(*tasks)


async def test_every_attempt_takes_a_permit() -> None:
    quota = FakeQuota()
    transport = Script(left(9), make_error(500, x_ratelimit_remaining="8"), TransportError("lost"), left(6))
    async with client(transport, shared_quota=quota, retry=Retry(base=0)) as c66:
        await c66.send(CALL)
        await c66.send(CALL)
        assert len(transport.requests) == 4
        assert sum(report.want for _, report in quota.book.calls) // 16 == 4  # near the end, each lease is one permit


async def test_requests_without_a_response_are_not_in_flight() -> None:
    quota = FakeQuota()
    transport = Script(left(9), TransportError("lost"), RuntimeError("broken"), lambda _: asyncio.Event().wait())
    async with client(transport, shared_quota=quota, retry=Retry(attempts=1)) as c66:
        await c66.send(CALL)
        for error in (TransportError, RuntimeError):
            with pytest.raises(error):
                await c66.send(CALL)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await c66.send(CALL)
        assert [report.held for _, report in quota.book.calls] == [0, 0, 0, 0]


async def test_permit_is_returned_if_no_slot_becomes_free() -> None:
    quota = FakeQuota()
    transport = Script(left(9), lambda _: asyncio.Event().wait())
    async with client(transport, shared_quota=quota, limit=1, retry=Retry(attempts=1)) as c66:
        await c66.send(CALL)
        task = asyncio.create_task(c66.send(CALL))
        await iterations()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await c66.send(CALL)
        task.cancel()
        await asyncio.wait([task])
    assert quota.held == 0


async def test_lists_and_streams_take_permits(recorder: RecordingClock) -> None:
    quota = FakeQuota()
    transport = Script(pages([{"uid": "a"}], [{"uid": "b"}], [{"uid": "c"}]))
    async with client(transport, shared_quota=quota, clock=recorder) as c66:
        assert len(await c66.stacks.list()) == 3
        assert len(quota.book.calls) == 3
        (allowance,) = c66._shared._allowances.values()
        assert allowance.shared is not None
        allowance.shared.learn((await allowance.shared.take())._replace(remaining=None), 300, 0)
        with pytest.raises(QuotaError):
            async with c66.stream("GET", "/things/1.json"):
                pass


async def test_streamed_request_without_a_response_is_not_in_flight() -> None:
    quota = FakeQuota()
    async with Cloud66("t", url="http://127.0.0.1:9", shared_quota=quota) as c66:
        for _ in range(3):
            with pytest.raises(TransportError):
                async with c66.stream("GET", "/things/1.json"):
                    pass
    assert [report.held for _, report in quota.book.calls] == [0, 0, 0, 0]


async def test_end_of_the_quota_raises_an_error_with_the_time(late: RecordingClock) -> None:
    transport = Script(left(2), left(1), left(0))
    async with client(transport, shared_quota=FakeQuota(), when_exhausted="refuse", clock=late) as c66:
        for _ in range(3):
            await c66.send(CALL)
        with pytest.raises(
            QuotaError, match="not sent: 0 requests remain until 10:00 UTC, and 0 are reserved"
        ) as caught:
            await c66.send(CALL)
        assert caught.value.retry_at == HOUR
        assert c66.quota.remaining == 0
    assert (len(transport.requests), late.slept) == (3, [])


async def test_requests_wait_for_the_next_hour(late: RecordingClock) -> None:
    transport = Script(left(0), left(299))
    async with client(transport, shared_quota=FakeQuota(), clock=late) as c66:
        await c66.send(CALL)
        await c66.send(CALL)
        assert 20 <= late.slept[0] <= 21
        late.time = HOUR + timedelta(minutes=30)
        transport.replies = [left(0)]
        await c66.send(CALL)
        with pytest.raises(QuotaError):  # half an hour is longer than `max_pause`
            await c66.send(CALL)


async def test_reserve_is_left(late: RecordingClock) -> None:
    transport = Script(left(12), left(11), left(10))
    async with client(transport, shared_quota=FakeQuota(), reserve=10, when_exhausted="refuse", clock=late) as c66:
        for _ in range(3):
            await c66.send(CALL)
        with pytest.raises(QuotaError, match="10 requests remain until 10:00 UTC, and 10 are reserved"):
            await c66.send(CALL)


async def test_process_learns_from_others(late: RecordingClock) -> None:
    quota = FakeQuota()
    async with (
        client(Script(left(50), left(0)), shared_quota=quota, when_exhausted="refuse", clock=late) as first,
        client(Script(left(40)), shared_quota=quota, when_exhausted="refuse", clock=late) as second,
    ):
        await first.send(CALL)
        await second.send(CALL)
        assert (first.quota.remaining, second.quota.remaining) == (50, 40)
        await first.send(CALL)
        await iterations()  # it reports the end of the quota by itself
        while (allowance := next(iter(second._shared._allowances.values())).shared) is not None:
            if allowance.try_take(late.now()) is None:
                break
        with pytest.raises(QuotaError):
            await second.send(CALL)
        assert second.quota.remaining == 0


async def test_throttled_request_without_headers_stops_the_others(late: RecordingClock) -> None:
    quota = FakeQuota()
    throttled = Script(left(50), make_error(503, "throttled"))
    async with (
        client(throttled, shared_quota=quota, clock=late, retry=Retry(attempts=1)) as first,
        client(Script(), shared_quota=quota, when_exhausted="refuse", clock=late) as second,
    ):
        await first.send(CALL)
        with pytest.raises(Throttled):
            await first.send(CALL)
        await iterations()
        with pytest.raises(QuotaError):
            await second.send(CALL)


async def test_permits_of_the_last_hour_are_thrown_away(late: RecordingClock) -> None:
    quota = FakeQuota()
    opened = asyncio.Event()

    async def slow(_request: object) -> Any:
        await opened.wait()
        return left(1)

    transport = Script(left(290), slow, left(299), left(298))
    async with client(transport, shared_quota=quota, clock=late) as c66:
        await c66.send(CALL)
        old = asyncio.create_task(c66.send(CALL))
        await iterations()
        late.time = HOUR + timedelta(minutes=5)
        await c66.send(CALL)
        assert quota.book.calls[-1][1].held == 1  # the one that is still in flight
        assert quota.book.calls[-1][1].remaining is None
        opened.set()
        await old
        await c66.send(CALL)  # the response of the last hour said that one remained
        assert quota.book.pages[int(HOUR.timestamp()) // 3600].remaining == 299


async def test_server_whose_hour_begins_later(late: RecordingClock) -> None:
    refused = make_error(503, "throttled", x_ratelimit_remaining="0")
    transport = Script(left(0), refused, left(299), left(298))
    options: dict[str, Any] = {"when_exhausted": "refuse", "clock": late, "retry": Retry(attempts=1)}
    async with client(transport, shared_quota=FakeQuota(), **options) as c66:
        await c66.send(CALL)
        late.time = HOUR + timedelta(seconds=1)
        with pytest.raises(Throttled):
            await c66.send(CALL)
        await c66.send(CALL)  # one request finds out whether the hour has begun
        await c66.send(CALL)
        assert c66.quota.remaining == 298


async def test_quota_that_is_used_up_at_once_is_not_asked_again(late: RecordingClock) -> None:
    transport = Script(left(1), left(0))
    late.time = HOUR + timedelta(seconds=1)
    async with client(transport, shared_quota=FakeQuota(), when_exhausted="refuse", clock=late) as c66:
        await c66.send(CALL)
        await c66.send(CALL)
        for _ in range(3):
            with pytest.raises(QuotaError):
                await c66.send(CALL)
    assert len(transport.requests) == 2


async def test_permits_are_given_back_on_close() -> None:
    quota = FakeQuota()
    async with client(Script(CountingServer(300)), shared_quota=quota) as c66:
        await c66.send(CALL)
        await c66.send(CALL)
        assert quota.held == 16
    assert (quota.held, quota.closed) == (0, 1)
    with pytest.raises(ConfigError):
        await c66.send(CALL)


async def test_idle_permits_are_given_back() -> None:
    quota = FakeQuota(fresh=0.03)
    async with client(Script(CountingServer(300)), shared_quota=quota) as c66:
        await c66.send(CALL)
        await c66.send(CALL)
        async with asyncio.timeout(60):
            while quota.held:
                await asyncio.sleep(0.01)


async def test_used_permits_are_reported() -> None:
    quota = FakeQuota(fresh=0.03)
    async with client(Script(left(9), left(8)), shared_quota=quota) as c66:
        await c66.send(CALL)
        await c66.send(CALL)  # with the only permit of its lease
        assert quota.held == 1
        async with asyncio.timeout(60):
            while quota.held:
                await asyncio.sleep(0.01)
        count = len(quota.book.calls)
        await asyncio.sleep(0.1)
        assert len(quota.book.calls) == count  # nothing is left to report


async def test_long_requests_are_reported_again() -> None:
    quota = FakeQuota(fresh=0.03)
    async with client(Script(left(9), lambda _: asyncio.Event().wait()), shared_quota=quota) as c66:
        await c66.send(CALL)
        task = asyncio.create_task(c66.send(CALL))
        async with asyncio.timeout(60):
            while len(quota.book.calls) < 5:
                await asyncio.sleep(0.01)
        assert [report.held for _, report in quota.book.calls[2:5]] == [1, 1, 1]
        task.cancel()
        await asyncio.wait([task])


async def test_waiting_for_permits_of_others_ends_with_the_client() -> None:
    book = FakeBook()
    quota = FakeQuota(book)
    async with client(Script(left(5)), shared_quota=quota) as c66:
        await c66.send(CALL)
        page = next(iter(book.pages.values()))
        page.entries["other"] = next(iter(page.entries.values()))._replace(held=5)
        task = asyncio.create_task(c66.send(CALL))
        await iterations()
        assert not task.done()
    with pytest.raises(ConfigError):
        await task
