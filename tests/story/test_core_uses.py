"""Whole uses of the client against a Cloud 66 that behaves: in this process, and over a socket on both lanes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import NamedTuple

import pytest

from cloud66_async import (
    ActionFailed,
    ActionUnfinished,
    AmbiguousName,
    Cloud66,
    Failed,
    Forbidden,
    NotFound,
    Ok,
    Retry,
    Throttled,
    TransportError,
    Unauthenticated,
)
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from ..conftest import PoolName

PATIENT = Retry(base=0.01)


class Story(NamedTuple):
    """A Cloud 66 with its stacks, and a client of it."""

    fake: FakeCloud66
    c66: Cloud66


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.2)) as running:
        running.fake.seed(75)
        yield running


@pytest.fixture(params=["in process", "own", "httpx"])
async def story(request: pytest.FixtureRequest) -> AsyncIterator[Story]:
    if request.param == "in process":
        fake = FakeCloud66()
        fake.seed(75)
        async with fake.clock.running(), fake.client() as c66:
            yield Story(fake, c66)
        return
    running: SandboxServer = request.getfixturevalue("server")
    pool: PoolName = request.param
    async with Cloud66(running.fake.add_token(), url=running.url, pool=pool, retry=PATIENT) as c66:
        yield Story(running.fake, c66)


async def test_every_stack_is_listed_read_and_read_again_in_bulk(story: Story) -> None:
    fake, c66 = story
    listed = await c66.stacks.list()
    assert len(listed) >= 75
    assert len({stack.uid for stack in listed}) == len(listed)
    uids = [stack.uid for stack in listed]
    async with c66.each(c66.stacks.get, uids) as results:
        found = {result.item: result.value async for result in results if isinstance(result, Ok)}
    assert found.keys() == set(uids)
    many = await c66.stacks.get_many(uids)
    assert [stack.uid for stack in many] == uids
    assert many.report.requests < 10
    async with c66.stacks.list().prefetch(3) as ahead:
        assert [stack.uid async for stack in ahead] == uids
    assert c66.quota.remaining is not None
    assert fake.calls("stacks.get") >= 75


async def test_a_list_can_be_filtered_and_paged(story: Story) -> None:
    _, c66 = story
    production = await c66.stacks.list(environment="production")
    assert production
    assert {stack.environment for stack in production} == {"production"}
    page = await c66.stacks.list().page(2)
    assert (page.number, len(page.items)) == (2, 30)
    assert (await c66.stacks.list().page(99)).items == ()


async def test_a_stack_is_found_redeployed_and_waited_for(story: Story) -> None:
    fake, c66 = story
    made = fake.add_stack("A Name Of Its Own", environment="staging")
    seen: list[bool] = []
    stack = await c66.stacks.find("a name of its own", environment="staging")
    assert stack.uid == made.uid
    started = await c66.stacks.redeploy(stack.uid, git_ref="v2.1", user_reference="mine")
    action = await c66.actions.wait(started, timeout=3600, progress=lambda state: seen.append(state.finished))
    assert action.succeeded
    assert seen[-1]
    newest = await c66.deployments.list(stack.uid).first()
    assert newest is not None
    assert not newest.is_deploying


async def test_a_deployment_that_fails_says_why(story: Story) -> None:
    fake, c66 = story
    stack = await c66.stacks.list().first()
    assert stack is not None
    fake.faults.action_fails(message="Out of disk")
    with pytest.raises(ActionFailed, match="Out of disk"):
        await c66.actions.wait(await c66.stacks.redeploy(stack.uid))


async def test_a_wait_has_an_end(story: Story) -> None:
    fake, c66 = story
    stack = fake.add_stack("slow")
    started = await c66.stacks.redeploy(stack.uid)
    with pytest.raises(ActionUnfinished):
        await c66.actions.wait(started, timeout=0)


async def test_what_is_missing_or_forbidden_is_told_apart(story: Story) -> None:
    fake, c66 = story
    with pytest.raises(NotFound):
        await c66.stacks.get("no-such-stack")
    with pytest.raises(NotFound, match="no stack is called"):
        await c66.stacks.find("no such name")
    with pytest.raises(Unauthenticated):
        await c66.using(token="nobodys").stacks.list()
    reader = c66.using(token=fake.add_token(scopes=["public"]))
    stack = await reader.stacks.list().first()
    assert stack is not None
    with pytest.raises(Forbidden) as caught:
        await reader.stacks.redeploy(stack.uid)
    assert caught.value.scope == "redeploy"


async def test_an_ambiguous_name_names_the_choices(story: Story) -> None:
    fake, c66 = story
    twins = [fake.add_stack("twin", environment=environment) for environment in ("production", "staging")]
    with pytest.raises(AmbiguousName) as caught:
        await c66.stacks.find("twin")
    assert {stack.uid for stack in caught.value.matches} == {twin.uid for twin in twins}


async def test_troubles_that_pass_are_not_noticed(story: Story) -> None:
    fake, c66 = story
    stack = await c66.stacks.list().first()
    assert stack is not None
    fake.faults.fail(500)
    fake.faults.html()
    fake.faults.drop()
    assert await c66.stacks.get(stack.uid) == await c66.stacks.get(stack.uid)


async def test_a_write_that_may_have_arrived_is_not_repeated(story: Story) -> None:
    fake, c66 = story
    stack = fake.add_stack("once")
    before = fake.calls("stacks.redeploy")
    fake.faults.drop(operation="stacks.redeploy")
    with pytest.raises(TransportError) as caught:
        await c66.stacks.redeploy(stack.uid)
    assert caught.value.sent
    assert fake.calls("stacks.redeploy") == before + 1


async def test_a_hurried_client_is_told_when_to_come_back(story: Story) -> None:
    fake, c66 = story
    fake.faults.throttle(retry_after=1800)
    with pytest.raises(Throttled) as caught:
        await c66.using(retry=Retry(max_pause=0)).stacks.list()
    assert caught.value.retry_at is not None
    now = c66._shared.clock.now()
    assert timedelta(seconds=1700) < caught.value.retry_at - now <= timedelta(seconds=1800)


async def test_one_bad_item_of_many_does_not_stop_the_others(story: Story) -> None:
    _, c66 = story
    stacks = [stack async for stack in c66.stacks.list()][:5]
    found = await c66.collect(c66.stacks.get, [stacks[0].uid, "gone", stacks[1].uid])
    assert [type(result) for result in found] == [Ok, Failed, Ok]
    assert [result.value for result in found if isinstance(result, Ok)] == [
        await c66.stacks.get(stack.uid) for stack in stacks[:2]
    ]


async def test_views_act_for_their_own_user_on_one_pool(story: Story) -> None:
    fake, c66 = story
    fake.add_user("else@example.com", accounts=(66,))
    fake.add_stack("theirs", account=66)
    theirs = await c66.using(token=fake.add_token("else@example.com")).stacks.list()
    assert [stack.name for stack in theirs] == ["theirs"]
    assert "theirs" not in {stack.name for stack in await c66.stacks.list()}


async def test_the_pool_opens_no_more_connections_than_allowed(transport: PoolName, server: SandboxServer) -> None:
    before = server.connections_opened
    async with Cloud66(server.fake.add_token(), url=server.url, pool=transport, limit=4, retry=PATIENT) as c66:
        uids = [stack.uid async for stack in c66.stacks.list()]
        await c66.stacks.get_many(uids, batch=False)
    assert 1 <= server.connections_opened - before <= 4
