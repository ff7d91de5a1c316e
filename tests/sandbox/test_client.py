"""A client of the sandbox meets errors: in this process, and over a socket with each of the two pools."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cloud66_async import Cloud66, Failed, Ok, Retry, Throttled, TransportError
from cloud66_async.sandbox import SandboxServer

from ..conftest import PoolName
from .conftest import QUICK_RETRY, Connected


async def test_temporary_errors_are_retried(connected: Connected) -> None:
    fake, c66 = connected
    stack = await c66.stacks.list().first()
    assert stack is not None
    fake.faults.fail(500)
    fake.faults.html()
    fake.faults.drop()
    assert await c66.stacks.get(stack.uid) == await c66.stacks.get(stack.uid)


async def test_write_that_may_have_arrived_is_not_retried(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("once")
    before = fake.calls("actions.run")
    fake.faults.drop(operation="actions.run")
    with pytest.raises(TransportError) as caught:
        await c66.stacks.restart(stack.uid)
    assert caught.value.sent
    assert fake.calls("actions.run") == before + 1


async def test_throttled_error_tells_when_to_retry(connected: Connected) -> None:
    fake, c66 = connected
    fake.faults.throttle(retry_after=1800)
    with pytest.raises(Throttled) as caught:
        await c66.using(retry=Retry(max_pause=0)).stacks.list()
    assert caught.value.retry_at is not None
    now = c66._shared.clock.now()
    assert timedelta(seconds=1700) < caught.value.retry_at - now <= timedelta(seconds=1800)


async def test_failed_call_does_not_stop_the_others(connected: Connected) -> None:
    _, c66 = connected
    stacks = [stack async for stack in c66.stacks.list()][:5]
    found = await c66.collect(c66.stacks.get, [stacks[0].uid, "gone", stacks[1].uid])
    assert [type(result) for result in found] == [Ok, Failed, Ok]
    assert [result.value for result in found if isinstance(result, Ok)] == [
        await c66.stacks.get(stack.uid) for stack in stacks[:2]
    ]


async def test_views_of_other_users_share_the_pool(connected: Connected) -> None:
    fake, c66 = connected
    fake.add_user("else@example.com", accounts=(66,))
    fake.add_stack("theirs", account=66)
    theirs = await c66.using(token=fake.add_token("else@example.com")).stacks.list()
    assert [stack.name for stack in theirs] == ["theirs"]
    assert "theirs" not in {stack.name for stack in await c66.stacks.list()}


async def test_pool_opens_at_most_limit_connections(transport: PoolName, server: SandboxServer) -> None:
    before = server.connections_opened
    async with Cloud66(server.fake.add_token(), url=server.url, pool=transport, limit=4, retry=QUICK_RETRY) as c66:
        uids = [stack.uid async for stack in c66.stacks.list()]
        await c66.stacks.get_many(uids, batch=False)
    assert 1 <= server.connections_opened - before <= 4
