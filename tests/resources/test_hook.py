"""Redeploy hooks: what is sent, and what the sandbox does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud66_async import (
    Cloud66,
    ConfigError,
    NotFound,
    Secret,
)
from cloud66_async.sandbox import SandboxServer

from ..conftest import PoolName
from ..sandbox.conftest import Connected
from ..support import TOKEN, Script, client, wire


def stacks(*names: str, environment: str = "production") -> list[dict[str, Any]]:
    return [{"uid": f"uid-{name}", "name": name, "environment": environment} for name in names]


def body(transport: Script) -> Any:
    found = transport.requests[-1].body
    assert found is not None
    return json.loads(found)


@pytest.mark.parametrize("pool", ["own", "httpx"])
async def test_hook_that_the_sandbox_hands_out_works_without_a_token(server: SandboxServer, pool: PoolName) -> None:
    stack = server.fake.add_stack("web")
    async with Cloud66(server.fake.add_token(), url=server.url, pool=pool) as c66:
        hook = (await c66.stacks.get(stack.uid)).redeploy_hook
        assert hook is not None
        await c66.stacks.redeploy_by_hook(hook, services=["web", "api v2"], deployment_profile="night")
        wrong = Secret(hook.reveal()[:-1] + "x")
        with pytest.raises(NotFound, match=r"404 for the redeploy hook at 127\.0\.0\.1") as caught:
            await c66.stacks.redeploy_by_hook(wrong)
    assert wrong.reveal() not in f"{caught.value} {caught.value!r}"
    assert stack.deployments[0].action.via == "hook"


@pytest.mark.parametrize("pool", ["own", "httpx"])
async def test_hook_sends_its_parameters_and_no_token(pool: PoolName) -> None:
    async with wire() as server, Cloud66(TOKEN, url=server.url, pool=pool) as c66:
        hook = f"{server.url}/stacks/redeploy/a/b"
        await c66.stacks.redeploy_by_hook(hook, services=["web", "api v2"], deployment_profile="night")
        await c66.stacks.redeploy_by_hook(hook)
    first, second = server.received
    assert (first.method, second.method) == ("POST", "POST")
    assert first.target == "/stacks/redeploy/a/b?services=web%2Capi+v2&deployment_profile=night"
    assert second.target == "/stacks/redeploy/a/b"
    assert "authorization" not in {*first.headers, *second.headers}


async def test_hook_in_this_process(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web")
    hook = (await c66.stacks.get(stack.uid)).redeploy_hook
    assert hook is not None
    await c66.stacks.redeploy_by_hook(hook)
    assert stack.deployments[0].action.via == "hook"


@pytest.mark.parametrize("hook", ["", "x", "http://hooks.example.com/a", "https://a:b@x/y", "ftp://x/y"])
async def test_invalid_hook_is_rejected(hook: str) -> None:
    async with client(Script()) as c66:
        with pytest.raises(ConfigError, match="invalid redeploy hook") as caught:
            await c66.stacks.redeploy_by_hook(hook)
    assert caught.value.__cause__ is None
