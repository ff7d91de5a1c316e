"""Shared reads in one process: what is shared, for how long, and when it is discarded."""

from __future__ import annotations

import asyncio
import logging
import pickle
from datetime import timedelta
from typing import Any

import pytest

from cloud66_async import (
    BadRequest,
    Cloud66,
    ConfigError,
    Drift,
    LoginError,
    MemoryReads,
    NotFound,
    Token,
    TransportError,
)
from cloud66_async._core import notices
from cloud66_async.reads import MAX_BODY, Read, SharedResponse
from cloud66_async.resources import stacks
from cloud66_async.transport import BufferedResponse

from ..support import START, RecordingClock, Script, client, make_error, make_response
from .sharing import Setting, later, sharing


@pytest.fixture
def setting() -> Setting:
    return Setting()


# --- what is shared ------------------------------------------------------------------------------


async def test_equal_reads_at_the_same_time_are_one_request(setting: Setting) -> None:
    async with setting.client() as c66:
        found = await asyncio.gather(*(c66.stacks.get(setting.stack.uid) for _ in range(25)))
    assert setting.fake.calls() == 1
    assert len({stack.uid for stack in found}) == 1
    assert len({id(stack) for stack in found}) == 25  # each has its own: free-form fields can be changed


async def test_clients_of_the_sandbox_share_reads(setting: Setting) -> None:
    clients = [setting.fake.client(setting.token, shared_reads=setting.reads) for _ in range(2)]
    async with clients[0], clients[1]:
        for c66 in clients:
            await c66.stacks.get(setting.stack.uid)
    assert setting.fake.calls() == 1


async def test_response_is_kept_and_expires(setting: Setting) -> None:
    async with setting.client() as c66:
        first = await c66.send(stacks.GET.bind(stack=setting.stack.uid))
        setting.fake.clock.advance(4)
        second = await c66.send(stacks.GET.bind(stack=setting.stack.uid))
        assert (first.age, second.age) == (None, 4.0)
        assert second.data == first.data
        assert (second.status, second.raw, second.request_id) == (200, first.raw, first.request_id)
        assert second.quota == first.quota
        assert second.headers.items() <= first.headers.items()
        assert "content-type" in second.headers
        assert "x-ratelimit-remaining" not in second.headers
        assert pickle.loads(pickle.dumps(second)).age == 4.0
        setting.fake.clock.advance(1)
        assert (await c66.send(stacks.GET.bind(stack=setting.stack.uid))).age is None
    assert setting.fake.calls() == 2


async def test_without_seconds_only_simultaneous_reads_are_shared() -> None:
    setting = Setting(seconds=0)
    setting.fake.faults.slow(1, times=2)
    async with setting.client() as c66:
        for _ in range(2):
            await asyncio.gather(*(c66.stacks.get(setting.stack.uid) for _ in range(5)))
    assert setting.fake.calls() == 2


async def test_users_accounts_and_headers_do_not_share(setting: Setting) -> None:
    other = setting.fake.add_token()
    async with setting.client() as c66:
        account = (await c66.accounts.list())[0].id
        views = [
            c66,
            c66.using(token=other),
            c66.using(account=account),
            c66.using(headers={"Accept-Language": "de"}),
        ]
        await asyncio.gather(*(view.stacks.list() for view in views * 2))
    assert setting.fake.calls("stacks.list") == 4


async def test_path_and_query_distinguish(setting: Setting) -> None:
    setting.fake.add_stack("api", environment="staging")
    async with setting.client() as c66:
        for _ in range(2):
            assert len(await c66.stacks.list()) == 2
            assert len(await c66.stacks.list(environment="staging")) == 1
            assert (await c66.request("GET", f"/stacks/{setting.stack.uid}.json")).data["name"] == "web"
            assert (await c66.stacks.get(setting.stack.uid)).name == "web"  # the same path: the same request
    assert setting.fake.calls() == 3


async def test_lists_and_bulk_reads(setting: Setting) -> None:
    for number in range(69):
        setting.fake.add_stack(f"s{number}")
    async with setting.client() as c66, setting.client() as other:
        listed = await c66.stacks.list()
        requests = setting.fake.calls()
        assert requests == 3
        assert await other.stacks.list() == listed
        assert [stack async for stack in other.stacks.list()] == listed
        assert list(await other.stacks.get_many([stack.uid for stack in listed])) == listed
        assert setting.fake.calls() == requests
        assert (await c66.stacks.find("s5")).name == "s5"
        assert await other.stacks.find("s5") == await c66.stacks.find("s5")
        assert setting.fake.calls() == requests + 1


async def test_another_client_shares_after_one_is_closed(setting: Setting) -> None:
    async with setting.client() as c66:
        await c66.stacks.get(setting.stack.uid)
    with pytest.raises(ConfigError, match="closed"):
        await c66.stacks.get(setting.stack.uid)
    async with setting.client() as other:
        await asyncio.gather(*(other.stacks.get(setting.stack.uid) for _ in range(3)))
    assert setting.fake.calls() == 2


async def test_shared_response_needs_no_slot_and_no_quota(setting: Setting) -> None:
    async with setting.client(limit=1, reserve=0, when_exhausted="refuse") as c66:
        await c66.stacks.get(setting.stack.uid)
        setting.fake.faults.slow(60, operation="stacks.list")
        slow = asyncio.create_task(c66.stacks.list().page(1))  # holds the only slot
        await asyncio.sleep(0)
        remaining = c66.quota.remaining
        assert (await c66.stacks.get(setting.stack.uid)).name == "web"
        assert c66.quota.remaining == remaining
        assert not slow.done()
        await slow


async def test_hits_are_logged_and_not_observed(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    attempts: list[object] = []
    async with setting.client(observer=attempts.append) as c66:
        await c66.stacks.get(setting.stack.uid)
        with caplog.at_level(logging.DEBUG, "cloud66_async.requests"):
            await c66.stacks.get(setting.stack.uid)
    assert len(attempts) == 1
    assert [record.getMessage().partition(" [")[0] for record in caplog.records] == [
        f"shared response to GET /stacks/{setting.stack.uid}.json, 0.0 s old"
    ]


async def test_drift_and_notices_of_shared_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = make_response({"response": {"uid": "a", "surprise": 1}}, x_cloud66_warning="soon gone")
    drift, other, reads, transport = Drift(), Drift(), MemoryReads(), Script(reply)
    shown: list[bytes] = []
    monkeypatch.setattr(notices, "warn", shown.append)  # it would show the same text only once
    first = client(transport, shared_reads=reads, drift=drift)
    second = client(transport, shared_reads=reads, drift=other)
    async with first, second:
        await first.stacks.get("a")
        await second.stacks.get("a")
    assert len(transport.requests) == 1
    assert shown == [b"soon gone"] * 2
    assert str(other) == str(drift)
    assert "surprise" in str(other)


# --- writes --------------------------------------------------------------------------------------


async def test_write_makes_reads_obsolete(setting: Setting) -> None:
    async with setting.client() as c66:
        account = (await c66.accounts.list())[0].id
        assert (await c66.stacks.get(setting.stack.uid)).maintenance_mode is False
        await c66.using(account=account).stacks.maintenance_mode(setting.stack.uid, on=True)
        async with setting.fake.client() as other:
            await other.actions.wait((await other.actions.list(setting.stack.uid))[0])
        assert (await c66.stacks.get(setting.stack.uid)).maintenance_mode is True


@pytest.mark.parametrize("failure", [make_error(422, "no"), TransportError("lost")], ids=["refused", "lost"])
async def test_failed_write_makes_reads_obsolete(failure: Any) -> None:
    read = make_response({"response": {"uid": "a"}})
    async with sharing(read, failure, read) as (c66, transport):
        await c66.stacks.get("a")
        with pytest.raises((BadRequest, TransportError)):
            await c66.request("DELETE", "/x.json")
        await c66.stacks.get("a")
    assert len(transport.requests) == 3


async def test_cancelled_write_makes_reads_obsolete() -> None:
    read = make_response({"response": {"uid": "a"}})
    async with sharing(read, later(asyncio.Event(), read), read) as (c66, transport):
        await c66.stacks.get("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await c66.request("POST", "/x.json")
        await c66.stacks.get("a")
    assert len(transport.requests) == 3


async def test_read_that_started_before_a_write_is_not_used_after_it() -> None:
    sent = asyncio.Event()
    old, new = (make_response({"response": {"uid": "a", "name": name}}) for name in ("old", "new"))
    async with sharing(later(sent, old), make_response({"response": {}}), new) as (c66, _):
        before = asyncio.create_task(c66.stacks.get("a"))
        joined = asyncio.create_task(c66.stacks.get("a"))
        await asyncio.sleep(0)
        await c66.request("POST", "/x.json")
        after = asyncio.create_task(c66.stacks.get("a"))
        await asyncio.sleep(0)
        sent.set()
        assert [(await task).name for task in (before, joined, after)] == ["old", "old", "new"]
        assert (await c66.stacks.get("a")).name == "new"


async def test_streamed_write_makes_reads_obsolete(setting: Setting) -> None:
    async with setting.client() as c66:
        await c66.stacks.list()
        async with c66.stream("GET", "/stacks.json"):
            pass
        await c66.stacks.list()
        assert setting.fake.calls() == 2
        async with c66.stream("POST", f"/stacks/{setting.stack.uid}/deployments.json"):
            pass
        await c66.stacks.list()
    assert setting.fake.calls() == 4


async def test_write_with_another_token_of_the_user_makes_reads_obsolete(setting: Setting) -> None:
    other = setting.fake.add_token()
    async with setting.client(user="ann") as c66:
        await c66.stacks.get(setting.stack.uid)
        await c66.using(token=other, user="ann").stacks.get(setting.stack.uid)  # it may have other scopes
        assert setting.fake.calls("stacks.get") == 2
        await c66.using(token=other, user="bob").stacks.redeploy(setting.stack.uid)
        await c66.stacks.get(setting.stack.uid)
        assert setting.fake.calls("stacks.get") == 2
        await c66.using(token=other, user="ann").stacks.redeploy(setting.stack.uid)
        await c66.stacks.get(setting.stack.uid)
        assert setting.fake.calls("stacks.get") == 3


async def test_writes_of_other_users_have_no_effect(setting: Setting) -> None:
    async with setting.client() as c66, setting.client(setting.fake.add_token()) as other:
        await c66.stacks.get(setting.stack.uid)
        await other.stacks.redeploy(setting.stack.uid)
        await c66.stacks.get(setting.stack.uid)
    assert setting.fake.calls() == 2


# --- errors and cancellation ---------------------------------------------------------------------


async def test_errors_are_not_kept_and_the_next_one_tries() -> None:
    sent = asyncio.Event()
    found = make_response({"response": {"uid": "a", "name": "web"}})
    async with sharing(later(sent, make_error(404)), found) as (c66, transport):
        tasks = [asyncio.create_task(c66.stacks.get("a")) for _ in range(5)]
        await asyncio.sleep(0)
        sent.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results[:1]] == [NotFound]
    assert [result.name for result in results[1:] if not isinstance(result, BaseException)] == ["web"] * 4
    assert len(transport.requests) == 2


async def test_cancelled_leader_is_replaced() -> None:
    found = make_response({"response": {"uid": "a", "name": "web"}})
    async with sharing(later(asyncio.Event(), found), found) as (c66, transport):
        leader, *others = [asyncio.create_task(c66.stacks.get("a")) for _ in range(4)]
        await asyncio.sleep(0)
        others.pop().cancel()
        leader.cancel()
        assert [(await task).name for task in others] == ["web", "web"]
    assert len(transport.requests) == 2


async def test_wait_is_bounded() -> None:
    found = make_response({"response": {"uid": "a", "name": "web"}})
    transport = Script(later(asyncio.Event(), found), found)
    async with client(transport, shared_reads=MemoryReads(wait=0.05)) as c66:
        leader = asyncio.create_task(c66.stacks.get("a"))
        await asyncio.sleep(0)
        assert (await c66.stacks.get("a")).name == "web"
        leader.cancel()


async def test_timeout_of_the_view_bounds_the_wait() -> None:
    found = make_response({"response": {"uid": "a", "name": "web"}})
    async with sharing(later(asyncio.Event(), found), found) as (c66, _):
        leader = asyncio.create_task(c66.stacks.get("a"))
        await asyncio.sleep(0)
        assert (await c66.using(timeout=0.05).stacks.get("a")).name == "web"
        leader.cancel()


async def test_expired_token_is_not_served() -> None:
    clock = RecordingClock()
    token = Token("t", expires_at=START + timedelta(seconds=60))
    async with Cloud66(token, transport=Script(), clock=clock, shared_reads=MemoryReads(seconds=3600)) as c66:
        await c66.stacks.get("a")
        clock.time += timedelta(seconds=61)
        with pytest.raises(LoginError):
            await c66.stacks.get("a")


# --- the object itself ---------------------------------------------------------------------------


async def test_large_bodies_are_shared_but_not_kept() -> None:
    large = make_response({"response": {"uid": "a", "name": "x" * MAX_BODY}})
    sent = asyncio.Event()
    async with sharing(later(sent, large), large) as (c66, transport):
        tasks = [asyncio.create_task(c66.stacks.get("a")) for _ in range(3)]
        await asyncio.sleep(0)
        sent.set()
        await asyncio.gather(*tasks)
        assert len(transport.requests) == 1
        await c66.stacks.get("a")
    assert len(transport.requests) == 2


async def test_memory_is_bounded() -> None:
    reads, clock = MemoryReads(), RecordingClock()
    response = SharedResponse(response=BufferedResponse(200, b"x" * 900_000), request_id="r")

    async def send() -> SharedResponse:
        await asyncio.sleep(0)
        return response

    for number in range(100):
        await reads.read(Read(key=str(number), user="u", timeout=None, clock=clock), send)
    assert reads._bytes <= 64_000_000
    assert len(reads._entries) == reads._bytes // 900_000
    for number in range(10_001):
        await reads.changed(str(number))
    assert len(reads._numbers) == 1


def test_pickle_and_repr() -> None:
    reads = pickle.loads(pickle.dumps(MemoryReads(seconds=2, wait=3)))
    assert repr(reads) == "MemoryReads(seconds=2, wait=3)"


@pytest.mark.parametrize("value", [-1, 3601, float("nan"), float("inf"), 10**400])
def test_invalid_seconds(value: float) -> None:
    with pytest.raises(ValueError, match=r"invalid seconds .* between 0 and 3600"):
        MemoryReads(seconds=value)


def test_invalid_objects() -> None:
    with pytest.raises(TypeError, match="invalid shared_reads: expected an object with"):
        Cloud66("t", shared_reads="redis://localhost")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="invalid fresh"):
        Cloud66("t").using(fresh=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
