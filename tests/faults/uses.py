"""Uses of every public coroutine, each of which can be ended at any suspension and repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cloud66_async import Cloud66, Failed, MemoryReads, NotFound, Ok, Redeployment, bulk
from cloud66_async.resources import stacks
from cloud66_async.resources.environment_variables import EnvironmentPlan
from cloud66_async.resources.stack_settings import SettingsPlan

from .served import LIMIT, Served

__all__ = ["CALLS", "Use", "started"]

Prepare = Callable[[Served], Awaitable[Any]]


class Use(NamedTuple):
    """A coroutine function, and what is done before it, which is not ended early and whose result it takes."""

    run: Callable[[Served, Any], Coroutine[Any, Any, object]]
    prepare: Prepare | None = None


async def send(served: Served, _: object) -> None:
    response = await served.c66.send(stacks.GET.bind(stack=served.web.uid))
    assert (response.status, response.data.uid) == (200, served.web.uid)


async def request(served: Served, _: object) -> None:
    response = await served.c66.request("GET", f"/stacks/{served.web.uid}.json", headers={"X-A": "b"})
    assert response.data["uid"] == served.web.uid


async def slots_taken(served: Served) -> list[asyncio.Task[object]]:
    """Return requests that take every slot and finish by themselves."""
    tasks = [asyncio.create_task(served.c66.request("GET", "/stacks.json")) for _ in range(LIMIT)]
    while served.c66._shared.limiter.free:
        await asyncio.sleep(0)
    return [*tasks]


async def queued(served: Served, tasks: list[asyncio.Task[object]]) -> None:
    assert not served.c66._shared.limiter.free
    await send(served, None)
    await asyncio.wait(tasks)


async def stream(served: Served, _: object) -> None:
    async with served.c66.stream("GET", f"/stacks/{served.web.uid}.json") as response:
        body = b"".join([part async for part in response])
    assert served.web.uid.encode() in body


async def opened_client(served: Served) -> Cloud66:
    made = served.client(served.fake.add_token().reveal())
    await made.collect(made.stacks.get, served.uids[:3])
    async with made.stream("GET", "/stacks.json"):
        pass
    return made


async def close(served: Served, made: Cloud66) -> None:
    await made.aclose()
    assert served.server.connections


async def as_context_manager(served: Served, _: object) -> None:
    async with served.client(served.fake.add_token().reveal()) as made:
        assert (await made.stacks.get(served.web.uid)).uid == served.web.uid


# --- many at once --------------------------------------------------------------------------------


async def each(served: Served, _: object) -> None:
    uids = [*served.uids[:8], "none"]
    async with served.c66.each(served.c66.stacks.get, uids, limit=3) as results:
        found = [result async for result in results]
    assert sorted(result.item for result in found if isinstance(result, Ok)) == sorted(uids[:-1])
    assert [result.item for result in found if isinstance(result, Failed)] == ["none"]


async def collect(served: Served, _: object) -> None:
    found = bulk.values(await served.c66.collect(served.c66.stacks.get, served.uids[:8], limit=3))
    assert [stack.uid for stack in found] == served.uids[:8]


async def get_many(served: Served, _: object) -> None:
    found = await served.c66.stacks.get_many(served.uids)
    assert [stack.uid for stack in found] == served.uids


async def get_few(served: Served, _: object) -> None:
    found = await served.c66.stacks.get_many(served.uids[:2], batch=False)
    assert [stack.uid for stack in found] == served.uids[:2]


# --- lists ---------------------------------------------------------------------------------------


async def whole_list(served: Served, _: object) -> None:
    assert sorted(stack.uid for stack in await served.c66.stacks.list()) == sorted(served.uids)


async def iterated(served: Served, _: object) -> None:
    assert len([stack async for stack in served.c66.stacks.list()]) == len(served.uids)


async def by_page(served: Served, _: object) -> None:
    assert len([page async for page in served.c66.stacks.list().pages()]) == 3


async def one_page(served: Served, _: object) -> None:
    assert len((await served.c66.stacks.list().page(3)).items) == len(served.uids) - 60


async def first(served: Served, _: object) -> None:
    assert await served.c66.stacks.list().first() is not None


async def prefetched(served: Served, _: object) -> None:
    async with served.c66.stacks.list().prefetch(2) as found:
        assert len([stack async for stack in found]) == len(served.uids)


async def find(served: Served, _: object) -> None:
    assert (await served.c66.stacks.find("web", environment="production")).uid == served.web.uid


async def accounts(served: Served, _: object) -> None:
    async for _account, view in served.c66.accounts.each_account():
        assert await view.stacks.list().first() is not None


# --- writes and actions --------------------------------------------------------------------------


async def create(served: Served, _: object) -> None:
    key = f"KEY_{next(served.number)}"
    assert (await served.c66.environment_variables.create(served.web.uid, key, value="x")).stack == served.web.uid


async def create_stack(served: Served, _: object) -> None:
    name = f"new-{next(served.number)}"
    await served.c66.stacks.create(name=name, environment="production", service_yaml="services: {}", manifest_yaml="x")


async def redeploy(served: Served, _: object) -> None:
    assert (await served.c66.stacks.redeploy(served.web.uid)).stack == served.web.uid


async def redeploy_by_hook(served: Served, _: object) -> None:
    hook = urlsplit(str(served.web.data["redeploy_hook"])).path
    await served.c66.stacks.redeploy_by_hook(served.server.url + hook)


async def started(served: Served) -> Redeployment:
    served.fake.clock.advance(7200)
    return await served.c66.stacks.redeploy(served.web.uid)


async def wait(served: Served, redeployment: Redeployment) -> None:
    assert (await served.c66.actions.wait(redeployment)).succeeded


async def follow(served: Served, redeployment: Redeployment) -> None:
    states = [action.finished async for action in served.c66.actions.follow(redeployment)]
    assert states[-1]


async def update_all(served: Served, _: object) -> None:
    contents = '{"A": 1}'
    await served.c66.environment_variables.update_all(served.web.uid, contents=contents, environments_format="json")


async def process(served: Served, _: object) -> None:
    with suppress(NotFound):
        await served.c66.processes.get(served.web.uid, "web")


async def plan(served: Served, _: object) -> None:
    assert await served.c66.environment_variables.plan(served.web.uid, {"A": "1", "B": "2"})


async def plan_copy(served: Served, _: object) -> None:
    await served.c66.environment_variables.plan_copy(served.web.uid, served.other.uid)


async def planned(served: Served) -> EnvironmentPlan:
    wanted = {f"NEW_{next(served.number)}": "1" for _ in range(2)}
    served.fake.clock.advance(7200)
    return await served.c66.environment_variables.plan(served.web.uid, wanted, prune=True)


async def apply(served: Served, made: EnvironmentPlan) -> None:
    assert (await served.c66.environment_variables.apply(made)).actions


async def plan_settings(served: Served, _: object) -> None:
    await served.c66.stack_settings.plan(served.web.uid, {"git.branch": "x"})


async def planned_settings(served: Served) -> SettingsPlan:
    served.fake.clock.advance(7200)
    return await served.c66.stack_settings.plan(served.web.uid, {"git.branch": f"b{next(served.number)}"})


async def apply_settings(served: Served, made: SettingsPlan) -> None:
    assert (await served.c66.stack_settings.apply(made)).actions


async def backup_file(served: Served) -> tuple[int, str]:
    listed = await served.c66.backups.list(served.web.uid)
    files = await served.c66.backup_files.list(served.web.uid, listed[0].id)
    return listed[0].id, files[0].id


async def download(served: Served, found: tuple[int, str]) -> None:
    path = served.folder / "backup.tar"
    await served.c66.backup_files.download(served.web.uid, *found, path)
    assert path.stat().st_size > 0


async def download_variables(served: Served, _: object) -> None:
    assert (await served.c66.environment_variables.download(served.web.uid)).reveal()


async def share_reads(served: Served, _: object) -> None:
    async with served.client(served.fake.add_token().reveal(), shared_reads=MemoryReads()) as made:
        uid = served.web.uid
        found = await asyncio.gather(*(made.stacks.get(uid) for _ in range(3)))
        with suppress(NotFound):  # a write discards what is kept, also if it fails
            await made.environment_variables.delete("none", "KEY")
        assert {stack.uid for stack in found} == {(await made.stacks.get(uid)).uid}


CALLS: dict[str, Use] = {
    "send": Use(send),
    "request": Use(request),
    "queued": Use(queued, slots_taken),
    "stream": Use(stream),
    "aclose": Use(close, opened_client),
    "async with": Use(as_context_manager),
    "each": Use(each),
    "collect": Use(collect),
    "shared reads": Use(share_reads),
    "get_many": Use(get_many),
    "get_many, one by one": Use(get_few),
    "list": Use(whole_list),
    "async for": Use(iterated),
    "pages": Use(by_page),
    "page": Use(one_page),
    "first": Use(first),
    "prefetch": Use(prefetched),
    "find": Use(find),
    "each_account": Use(accounts),
    "create": Use(create),
    "stacks.create": Use(create_stack),
    "redeploy": Use(redeploy),
    "redeploy_by_hook": Use(redeploy_by_hook),
    "wait": Use(wait, started),
    "follow": Use(follow, started),
    "environment_variables.update_all": Use(update_all),
    "processes.get": Use(process),
    "environment_variables.plan": Use(plan),
    "environment_variables.plan_copy": Use(plan_copy),
    "environment_variables.apply": Use(apply, planned),
    "stack_settings.plan": Use(plan_settings),
    "stack_settings.apply": Use(apply_settings, planned_settings),
    "backup_files.download": Use(download, backup_file),
    "environment_variables.download": Use(download_variables),
}
"""Calls of the API."""
