# pyright: reportUnnecessaryTypeIgnoreComment=true
"""Expected types of the main calls. Checked by mypy and pyright, never run.

Each `type: ignore` marks a misuse that both type checkers must report: an unused one is an error itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import assert_type

from cloud66_async import (
    Action,
    BulkError,
    Cloud66,
    Cloud66Error,
    Failed,
    Ok,
    Page,
    Pager,
    Quota,
    Redeployment,
    Response,
    Retry,
    Secret,
    Server,
    Stack,
    StackStatus,
    Throttled,
    Timeouts,
    Token,
    collect,
    each,
)
from cloud66_async.models import Outcome
from cloud66_async.operation import Call, Operation
from cloud66_async.resources import deployments, stacks


async def reads(c66: Cloud66) -> None:
    stack = await c66.stacks.get("a")
    assert_type(stack, Stack)
    assert_type(stack.uid, str)
    assert_type(stack.name, str | None)
    assert_type(stack.status, StackStatus | None)
    assert_type(stack.created_at, datetime | None)
    assert_type(stack.redeploy_hook, Secret | None)
    assert_type(c66.stacks.list(environment="production"), Pager[Stack])
    assert_type(await c66.stacks.list(), list[Stack])
    assert_type(await c66.stacks.list().first(), Stack | None)
    assert_type(await c66.stacks.list().page(2), Page[Stack])
    async for found in c66.stacks.list():
        assert_type(found, Stack)
    async for page in c66.stacks.list().pages():
        assert_type(page, Page[Stack])
        assert_type(page.items, tuple[Stack, ...])
    async with c66.stacks.list().prefetch(4) as prefetched:
        assert_type(prefetched, AsyncIterator[Stack])
    assert_type(await c66.stacks.find("web"), Stack)
    assert_type(await c66.servers.list("a"), list[Server])
    assert_type(c66.quota, Quota)


async def bulk_calls(c66: Cloud66, uids: list[str]) -> None:
    async with c66.each(c66.stacks.get, uids) as results:
        async for result in results:
            assert_type(result, Ok[str, Stack] | Failed[str])
            match result:
                case Ok(uid, stack):
                    assert_type(uid, str)
                    assert_type(stack, Stack)
                case Failed(uid, error):
                    assert_type(uid, str)
                    assert_type(error, Cloud66Error)
    assert_type(await c66.collect(c66.stacks.get, uids), list[Ok[str, Stack] | Failed[str]])
    assert_type(await collect(c66.stacks.get, uids), list[Ok[str, Stack] | Failed[str]])
    async with each(c66.stacks.find, uids, limit=3) as found:
        assert_type(await anext(found), Ok[str, Stack] | Failed[str])
    for stack in await c66.stacks.get_many(uids):
        assert_type(stack, Stack)


async def writes(c66: Cloud66) -> None:
    started = await c66.stacks.redeploy("a", git_ref="v2")
    assert_type(started, Redeployment)
    assert_type(await c66.actions.wait(started, timeout=900), Action)
    action = await c66.stacks.create("web", environment="production", service_yaml="")
    assert_type(action, Action)
    assert_type(await c66.actions.wait(action, stack="a"), Action)


async def raw_calls(c66: Cloud66) -> None:
    assert_type(stacks.GET, Operation[Stack])
    assert_type(stacks.GET.bind(stack="a"), Call[Stack])
    assert_type(stacks.LIST, Operation[Page[Stack]])
    response = await c66.send(stacks.GET.bind(stack="a"))
    assert_type(response, Response[Stack])
    assert_type(response.data, Stack)
    assert_type((await c66.send(stacks.LIST.bind())).data, Page[Stack])
    assert_type((await c66.send(deployments.CANCEL.bind(stack="a", deployment=1))).data, Outcome)


def views(c66: Cloud66) -> None:
    assert_type(c66.using(token="x", account=1, timeout=3, retry=Retry(attempts=1)), Cloud66)
    assert_type(c66.using(token=Token("x"), account=None, timeout=None), Cloud66)
    assert_type(c66.using(timeout=Timeouts(read=3)), Cloud66)


def error_types(error: Cloud66Error) -> None:
    if isinstance(error, Throttled):
        assert_type(error.retry_at, datetime | None)
    if isinstance(error, BulkError):
        assert_type(error.exceptions[0].__class__, type[Cloud66Error | ExceptionGroup[Cloud66Error]])


async def misuse(c66: Cloud66, stack: Stack) -> None:
    await c66.stacks.get(1)  # type: ignore[arg-type]
    await c66.stacks.get()  # type: ignore[call-arg]
    await c66.stacks.gett("a")  # type: ignore[attr-defined]
    await c66.stacks.redeploy("a", "v2")  # type: ignore[call-arg]
    await c66.stacks.redeploy("a", git_reference="v2")  # type: ignore[call-arg]
    await c66.send(stacks.GET)  # type: ignore[arg-type]
    await c66.actions.wait("a")  # type: ignore[arg-type]
    c66.using(token=None)  # type: ignore[arg-type]
    c66.using(acount=1)  # type: ignore[call-arg]
    Cloud66(tokn="x")  # type: ignore[call-arg]
    Cloud66("x", pool="unknown")  # type: ignore[arg-type]
    c66.stacks.list("production")  # type: ignore[call-arg]
    stack.uid = "b"  # type: ignore[misc]
    stack.color  # type: ignore[attr-defined]  # noqa: B018
    stack.status.known  # type: ignore[union-attr]  # noqa: B018
    Stack()  # type: ignore[call-arg]
    Stack("a")  # type: ignore[call-arg]
    for _ in c66.stacks.list():  # type: ignore[attr-defined]
        pass
    for _ in c66.stacks.get_many(["a"]):  # type: ignore[attr-defined]
        pass
