from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cloud66_async import (
    AmbiguousName,
    BulkError,
    Cloud66,
    Failed,
    Forbidden,
    NotFound,
    Ok,
    Redeployment,
    ResponseError,
    Secret,
    Server,
    Stack,
)
from cloud66_async.resources.actions import Action
from cloud66_async.resources.common import CodeMeaning
from cloud66_async.resources.deployments import Deployment
from cloud66_async.resources.stacks import BuildType, DeployStrategy, RolloutStrategy
from cloud66_async.transport import BufferedResponse

from ..support import ONCE, Script, answer, client, pages, refusal


def stacks(*names: str, environment: str = "production") -> list[dict[str, Any]]:
    return [{"uid": f"uid-{name}", "name": name, "environment": environment} for name in names]


def body(transport: Script) -> Any:
    found = transport.requests[-1].body
    assert found is not None
    return json.loads(found)


# --- find ---------------------------------------------------------------------------------------------------


async def test_find_looks_through_every_page_whatever_the_case() -> None:
    async with client(Script(pages(stacks("one", "two"), stacks("WEB")))) as c66:
        assert (await c66.stacks.find("web")).uid == "uid-WEB"


async def test_a_name_that_nobody_has_is_not_found() -> None:
    async with client(Script(pages(stacks("one")))) as c66:
        with pytest.raises(NotFound, match=r"no stack is called 'web'$"):
            await c66.stacks.find("web")
        with pytest.raises(NotFound, match=r"no stack is called 'one' in 'staging'$") as caught:
            await c66.stacks.find("one", environment="staging")
    assert caught.value.status == 404


async def test_a_name_that_several_have_says_which() -> None:
    found = [*stacks("web"), {"uid": "b", "name": "web", "environment": "staging\nforged"}]
    async with client(Script(pages(found))) as c66:
        with pytest.raises(AmbiguousName) as caught:
            await c66.stacks.find("web")
        assert len(str(caught.value).splitlines()) == 1
        assert "2 stacks are called 'web': production (uid-web), staging forged (b)" in str(caught.value)
        assert [stack.uid for stack in caught.value.matches] == ["uid-web", "b"]
        assert (await c66.stacks.find("web", environment="Production")).uid == "uid-web"


async def test_a_stack_without_a_name_is_passed_over() -> None:
    async with client(Script(pages([{"uid": "a"}, *stacks("web")]))) as c66:
        assert (await c66.stacks.find("web")).uid == "uid-web"


# --- writing ------------------------------------------------------------------------------------------------


async def test_create_sends_what_was_given_and_nothing_else() -> None:
    transport = Script(answer({"response": {"id": 5, "action": "stack_create"}}))
    async with client(transport) as c66:
        action = await c66.stacks.create(
            "web", environment="production", service_yaml="services:", build_type=BuildType.MULTI
        )
    assert action == Action(id=5, action="stack_create")
    assert (transport.requests[0].method, transport.targets) == ("POST", ["/stacks.json"])
    assert body(transport) == {
        "name": "web",
        "environment": "production",
        "service_yaml": "services:",
        "build_type": "multi",
    }


@pytest.mark.parametrize(
    ("services", "sent"),
    [
        (["web", "api:v2"], ["web", "api:v2"]),
        ("web,api", ["web", "api"]),
        (" web , ,api ", ["web", "api"]),
        (("web",), ["web"]),
        ((name for name in ("a", "b")), ["a", "b"]),
        ([], []),
    ],
)
async def test_services_are_sent_as_a_list(services: Any, sent: list[str]) -> None:
    transport = Script(answer({"response": {"ok": True}}))
    async with client(transport) as c66:
        await c66.stacks.redeploy("a", services=services)
    assert body(transport) == {"services": sent}


async def test_redeploy_sends_states_as_their_values_and_knows_its_stack() -> None:
    transport = Script(answer({"response": {"ok": True, "message": "queued", "queued": True, "async_action_id": "7"}}))
    async with client(transport) as c66:
        found = await c66.stacks.redeploy(
            "a",
            git_ref="v2.1",
            deploy_strategy=DeployStrategy.ROLLING,
            rollout_strategy=RolloutStrategy("newest"),
            canary_percentage=0,
        )
    assert found == Redeployment(ok=True, message="queued", queued=True, async_action_id=7, stack="a")
    assert body(transport) == {
        "git_ref": "v2.1",
        "deploy_strategy": "rolling",
        "rollout_strategy": "newest",
        "canary_percentage": 0,
    }


@pytest.mark.parametrize("call", ["get", "redeploy"])
async def test_an_empty_uid_is_refused_before_anything_is_sent(call: str) -> None:
    transport = Script()
    async with client(transport) as c66:
        with pytest.raises(ValueError, match="stack is empty"):
            await getattr(c66.stacks, call)("")
        with pytest.raises(ValueError, match="stack is empty"):
            await c66.servers.list("")
    assert transport.requests == []


# --- servers and deployments -----------------------------------------------------------------------------------


async def test_a_server_comes_with_its_key_only_where_it_was_asked_for() -> None:
    transport = Script(answer({"response": {"uid": "s", "private_key": "hush"}}))
    async with client(transport) as c66:
        await c66.servers.get("a", "s")
        server = await c66.servers.get("a", "s", include_private_key=True)
    assert transport.targets == ["/stacks/a/servers/s.json", "/stacks/a/servers/s.json?include_private_key=1"]
    assert server.ssh_private_key is not None
    assert server.ssh_private_key.reveal() == "hush"
    assert "hush" not in repr(server)


def test_either_name_of_the_key_fills_the_one() -> None:
    assert Server(uid="s", private_key=Secret("k")).ssh_private_key == Secret("k")
    assert Server(uid="s", ssh_private_key=Secret("a"), private_key=Secret("b")).ssh_private_key == Secret("a")


async def test_deployments_are_listed_read_and_cancelled() -> None:
    one = {"id": 3, "outcome": {"code": 1, "meaning": "success"}, "is_live": "true"}
    transport = Script(pages([one]), answer({"response": one}), answer({"response": {"ok": True}}))
    async with client(transport) as c66:
        expected = Deployment(id=3, outcome=CodeMeaning(code=1, meaning="success"), is_live=True)
        assert await c66.deployments.list("a") == [expected]
        assert await c66.deployments.get("a", 3) == expected
        assert (await c66.deployments.cancel("a", 3)).ok
    assert [request.method for request in transport.requests] == ["GET", "GET", "DELETE"]
    assert transport.targets[1:] == ["/stacks/a/deployments/3.json"] * 2


# --- many at once -----------------------------------------------------------------------------------------------


class Site:
    """Stacks in pages; each can be read alone as well."""

    def __init__(self, *sizes: int) -> None:
        numbers = iter(range(sum(sizes)))
        self.pages = [[{"uid": f"s{next(numbers)}"} for _ in range(size)] for size in sizes]
        self.transport = Script(self.reply)
        self.troubles: dict[str, BufferedResponse] = {}

    @property
    def uids(self) -> list[str]:
        return [stack["uid"] for page in self.pages for stack in page]

    async def reply(self, request: Any) -> BufferedResponse:
        await asyncio.sleep(0)
        target = request.target.removeprefix("/api/3")
        if target in self.troubles:
            return self.troubles[target]
        if target.startswith("/stacks.json"):
            return pages(*self.pages)(request)
        uid = target.removeprefix("/stacks/").removesuffix(".json")
        return answer({"response": {"uid": uid}}) if uid in self.uids else refusal(404, "not_found")

    def client(self) -> Cloud66:
        return client(self.transport, retry=ONCE)

    def lists(self) -> int:
        return sum(target.startswith("/stacks.json") for target in self.transport.targets)


def uids(found: Any) -> list[str]:
    return [stack.uid for stack in found]


async def test_all_of_the_stacks_are_taken_from_the_pages() -> None:
    site = Site(30, 30, 10)
    async with site.client() as c66:
        wanted = site.uids[::-1]
        found = await c66.stacks.get_many(wanted)
    assert uids(found) == wanted
    assert (found.report.pages, found.report.singles, found.report.requests) == (3, 0, 3)
    assert len(site.transport.targets) == 3


async def test_a_few_of_very_many_are_read_one_by_one() -> None:
    site = Site(*[2] * 40)
    async with site.client() as c66:
        found = await c66.stacks.get_many(["s70", "s71", "s79"])
    assert uids(found) == ["s70", "s71", "s79"]
    assert (found.report.pages, found.report.singles) == (1, 3)


async def test_a_single_one_costs_one_request() -> None:
    site = Site(30)
    async with site.client() as c66:
        found = await c66.stacks.get_many(["s5"])
    assert uids(found) == ["s5"]
    assert site.transport.targets == ["/stacks/s5.json"]
    assert (found.report.pages, found.report.singles) == (0, 1)


async def test_the_plan_can_be_switched_off() -> None:
    site = Site(30, 30)
    async with site.client() as c66:
        found = await c66.stacks.get_many(site.uids, batch=False, limit=7)
    assert uids(found) == site.uids
    assert site.lists() == 0
    assert site.transport.most_in_flight == 7
    assert found.report.singles == 60


async def test_none_wanted_none_asked() -> None:
    site = Site(30)
    async with site.client() as c66:
        assert await c66.stacks.get_many([]) == ()
    assert site.transport.requests == []


async def test_the_same_uid_twice_is_there_twice() -> None:
    site = Site(5)
    async with site.client() as c66:
        assert uids(await c66.stacks.get_many(["s1", "s2", "s1"])) == ["s1", "s2", "s1"]
        assert uids(await c66.stacks.get_many(["s1", "s1"], batch=False)) == ["s1", "s1"]


@pytest.mark.parametrize("planned", [True, False])
async def test_what_failed_is_an_error_that_has_what_arrived(planned: bool) -> None:
    site = Site(5)
    async with site.client() as c66:
        with pytest.raises(BulkError, match="1 of 3 calls failed") as caught:
            await c66.stacks.get_many(["s1", "gone", "s2"], batch=planned)
    first, second, third = caught.value.results
    assert isinstance(first, Ok)
    assert isinstance(second, Failed)
    assert isinstance(third, Ok)
    assert (first.value, second.item, third.value) == (Stack(uid="s1"), "gone", Stack(uid="s2"))
    assert isinstance(second.error, NotFound)
    assert caught.value.report is not None
    assert caught.value.report.singles == (1 if planned else 3)


async def test_a_page_that_cannot_be_read_whole_loses_nothing() -> None:
    site = Site(3, 3)
    site.troubles["/stacks.json?page=2"] = answer({"response": [{"uid": "s3"}, {"name": "no uid"}, {"uid": "s5"}]})
    async with site.client() as c66:
        found = await c66.stacks.get_many(site.uids)
    assert uids(found) == site.uids
    assert site.transport.targets[-1] == "/stacks/s4.json"


async def test_a_token_that_may_not_read_is_asked_no_further() -> None:
    site = Site(3, 3)
    site.troubles["/stacks.json?page=1"] = refusal(403)
    async with site.client() as c66:
        with pytest.raises(BulkError) as caught:
            await c66.stacks.get_many(site.uids)
    assert len(site.transport.requests) == 1
    assert all(isinstance(error, Forbidden) for error in caught.value.exceptions)
    assert len(caught.value.results) == 6


async def test_a_list_that_does_not_say_how_long_it_is_is_left_alone() -> None:
    site = Site(3)
    site.troubles["/stacks.json?page=1"] = answer({"response": [{"uid": "s0"}]})
    async with site.client() as c66:
        found = await c66.stacks.get_many(site.uids)
    assert uids(found) == site.uids
    assert sorted(site.transport.targets) == ["/stacks.json?page=1", "/stacks/s1.json", "/stacks/s2.json"]


async def test_a_list_that_is_no_list_is_left_alone() -> None:
    site = Site(3)
    site.troubles["/stacks.json?page=1"] = answer(b"<html>")
    async with site.client() as c66:
        assert uids(await c66.stacks.get_many(site.uids)) == site.uids


async def test_any_iterable_of_uids_will_do() -> None:
    site = Site(3)
    async with site.client() as c66:
        assert uids(await c66.stacks.get_many(uid for uid in site.uids)) == site.uids


async def test_a_page_with_one_bad_stack_tells_where() -> None:
    transport = Script(answer({"response": [{"uid": "a"}, {}]}))
    async with client(transport) as c66:
        with pytest.raises(
            ResponseError, match=r"GET /stacks.json: expected Stack.uid at \$.response\[1\].uid"
        ) as caught:
            await c66.stacks.list()
    assert caught.value.partial == (Stack(uid="a"),)
