"""Reads that are never shared, although the client shares reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from cloud66_async import Cloud66, ConfigError, TransportError
from cloud66_async.resources._rollouts.api import RolloutAPI
from cloud66_async.resources._rollouts.state import Record, Target
from cloud66_async.transport import BufferedResponse, Request

from ..support import START, make_response
from .sharing import Setting, sharing


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_fresh_view(setting: Setting) -> None:
    async with setting.client() as c66:
        fresh = c66.using(fresh=True)
        await c66.stacks.get(setting.stack.uid)
        await fresh.stacks.get(setting.stack.uid)
        await fresh.using(timeout=5).stacks.get(setting.stack.uid)
        await fresh.using(fresh=False).stacks.get(setting.stack.uid)
        assert setting.fake.calls() == 3
        accounts = [account async for account in fresh.accounts.each_account()]
        for _ in range(2):
            await accounts[0][1].stacks.list()
        assert setting.fake.calls("stacks.list") == 2
        await fresh.stacks.maintenance_mode(setting.stack.uid, on=True)  # its writes count
        await c66.stacks.get(setting.stack.uid)
    assert setting.fake.calls("stacks.get") == 4


NEVER_SHARED: dict[str, Callable[[Cloud66], Coroutine[Any, Any, Any]]] = {
    "ping": lambda c66: c66.ping.check_token(),
    "one-time password": lambda c66: c66.accounts.get_otp(),
    "HEAD": lambda c66: c66.request("HEAD", "/stacks.json"),
    "body": lambda c66: c66.request("GET", "/stacks.json", json={"x": 1}),
}


@pytest.mark.parametrize("name", NEVER_SHARED)
async def test_some_reads_are_never_shared(name: str) -> None:
    async with sharing(make_response({"response": {"ok": True, "otp": "1"}})) as (c66, transport):
        await NEVER_SHARED[name](c66)
        await NEVER_SHARED[name](c66)
    assert len(transport.requests) == 2


async def test_reading_from_a_queue_is_a_write() -> None:
    async with sharing(make_response({"response": {"uid": "a"}})) as (c66, transport):
        await c66.stacks.get("a")
        await c66.queues.pop("q", host_name="h")
        await c66.queues.pop("q", host_name="h")
        await c66.stacks.get("a")
    assert len(transport.requests) == 4


async def test_waiting_reads_fresh_states() -> None:
    setting = Setting(seconds=3600)
    async with setting.client() as c66:
        started = await c66.stacks.redeploy(setting.stack.uid)
        before = await c66.actions.get(setting.stack.uid, started.async_action_id or 0)
        assert not before.finished
        action = await c66.actions.wait(started, timeout=900)
        assert action.succeeded
        states = [state async for state in c66.actions.follow(await c66.stacks.redeploy(setting.stack.uid))]
        assert states[-1].succeeded


async def test_rollout_reads_fresh_states() -> None:
    setting = Setting(seconds=3600)
    uids = [setting.stack.uid, *(setting.fake.add_stack(f"s{number}").uid for number in range(3))]
    async with setting.client() as c66:
        await c66.stacks.list()
        async with c66.stacks.rollout(uids, at_once=2) as rollout:
            results = [result async for result in rollout]
    assert sum(result.state == "succeeded" for result in results) == 4


async def test_lost_redeployment_is_searched_for_with_fresh_reads() -> None:
    sent: list[Request] = []

    def lose(request: Request) -> BufferedResponse:
        sent.append(request)
        raise TransportError("lost", sent=True)

    def found(_: Request) -> BufferedResponse:
        reference = json.loads(sent[0].body or b"")["user_reference"]
        return make_response({"response": [{"id": 7, "metadata": {"user_reference": reference}}]})

    async with sharing(lose, make_response({"response": []}), found) as (c66, _):
        assert (await c66.stacks.redeploy("a")).async_action_id == 7


async def test_rollout_searches_for_actions_with_fresh_reads() -> None:
    async with sharing(make_response({"response": []})) as (c66, transport):
        api = RolloutAPI(c66.stacks._sender)
        target = Target(Record(uid="a"), "reference")
        for _ in range(2):
            await api.search(target, since=START)
    assert len(transport.requests) == 2


async def test_plans_compare_with_fresh_values() -> None:
    setting = Setting(seconds=3600)
    async with setting.client() as c66, setting.fake.client() as other:
        await c66.environment_variables.list(setting.stack.uid)
        await other.actions.wait(await other.environment_variables.create(setting.stack.uid, "COLOR", value="red"))
        assert not await c66.environment_variables.plan(setting.stack.uid, {"COLOR": "red"})
        first = next(found for found in await c66.stack_settings.list(setting.stack.uid) if not found.readonly)
        await other.actions.wait(await other.stack_settings.update(setting.stack.uid, first.key, value="changed"))
        assert not await c66.stack_settings.plan(setting.stack.uid, {first.key: "changed"})


async def test_download_asks_for_a_new_url(tmp_path: Path) -> None:
    async with sharing(make_response({"response": {"public_url": "https://storage.example/file"}})) as (c66, transport):
        await c66.backup_files.get("a", 1, "tar")
        with pytest.raises(ConfigError, match="cannot stream"):
            await c66.backup_files.download("a", 1, "tar", tmp_path / "file")
    assert len(transport.requests) == 2
