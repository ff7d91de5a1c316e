"""Finding stacks by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cloud66_async import (
    AmbiguousName,
    Cloud66,
    NotFound,
)
from cloud66_async.sandbox import FakeCloud66
from cloud66_async.sandbox.serving.transport import SandboxTransport
from cloud66_async.transport import BufferedResponse, RawResponse, Request

from ..sandbox.conftest import Connected
from ..support import Script, client, pages


def stacks(*names: str, environment: str = "production") -> list[dict[str, Any]]:
    return [{"uid": f"uid-{name}", "name": name, "environment": environment} for name in names]


async def test_find_reads_every_page_and_ignores_case() -> None:
    async with client(Script(pages(stacks("one", "two"), stacks("WEB")))) as c66:
        assert (await c66.stacks.find("web")).uid == "uid-WEB"


async def test_find_raises_not_found_for_an_unknown_name() -> None:
    async with client(Script(pages(stacks("one")))) as c66:
        with pytest.raises(NotFound, match=r"no stack has the name 'web'$"):
            await c66.stacks.find("web")
        with pytest.raises(NotFound, match=r"no stack has the name 'one' in 'staging'$") as caught:
            await c66.stacks.find("one", environment="staging")
    assert caught.value.status == 404


async def test_stack_is_found_and_redeployed(connected: Connected) -> None:
    fake, c66 = connected
    added = fake.add_stack("A Name Of Its Own", environment="staging")
    states: list[bool] = []
    stack = await c66.stacks.find("a name of its own", environment="staging")
    assert stack.uid == added.uid
    started = await c66.stacks.redeploy(stack.uid, git_ref="v2.1", user_reference="mine")
    action = await c66.actions.wait(started, timeout=3600, progress=lambda state: states.append(state.finished))
    assert action.succeeded
    assert states[-1]
    latest = await c66.deployments.list(stack.uid).first()
    assert latest is not None
    assert not latest.is_deploying


async def test_ambiguous_name_lists_the_matches(connected: Connected) -> None:
    fake, c66 = connected
    twins = [fake.add_stack("twin", environment=environment) for environment in ("production", "staging")]
    with pytest.raises(AmbiguousName) as caught:
        await c66.stacks.find("twin")
    assert {stack.uid for stack in caught.value.matches} == {twin.uid for twin in twins}


# --- the server's filters ------------------------------------------------------------------------


async def found(fake: FakeCloud66, name: str, environment: str | None = None, *, ignored: str = "") -> tuple[str, int]:
    """Find a stack at a server that does not know some filters. Return its uid and the number of requests."""

    class Ignoring(SandboxTransport):
        async def send(self, request: Request) -> RawResponse:
            target = request.target
            for name in ignored.split():
                target = target.replace(f"filter_{name}=", "unknown=")
            return await super().send(msgspec.structs.replace(request, target=target))

    async with Cloud66(fake.add_token(), url="https://sandbox.example", transport=Ignoring(fake)) as c66:
        before = fake.calls()
        stack = await c66.stacks.find(name, environment=environment)
        return stack.uid, fake.calls() - before


@pytest.mark.parametrize(
    ("ignored", "requests"), [("", 1), ("name environment", 3), ("environment", 1), ("name", 1)], ids=str
)
async def test_find_asks_the_server_to_filter_and_compares_again(
    fake: FakeCloud66, ignored: str, requests: int
) -> None:
    fake.seed(60)
    added = fake.add_stack("needle", environment="special")
    fake.add_stack("needle", environment="other")
    assert await found(fake, "Needle", "special", ignored=ignored) == (added.uid, requests)


async def test_find_reads_everything_only_once_if_the_filter_finds_nothing(fake: FakeCloud66) -> None:
    fake.seed(60)
    for ignored, requests in (("", 3), ("name environment", 2)):
        before = fake.calls()
        with pytest.raises(NotFound):
            await found(fake, "absent", ignored=ignored)
        assert fake.calls() - before == requests


async def test_find_reads_everything_if_the_filter_distinguishes_case() -> None:
    def reply(request: Request) -> BufferedResponse:
        everything = stacks("web", "one")
        return pages([] if "filter_name=WEB" in request.target else everything)(request)

    async with client(transport := Script(reply)) as c66:
        assert (await c66.stacks.find("WEB")).uid == "uid-web"
    assert len(transport.requests) == 2


async def test_ambiguous_name_is_found_with_and_without_filters(fake: FakeCloud66) -> None:
    fake.seed(40)
    for environment in ("production", "staging"):
        fake.add_stack("twin", environment=environment)
    for ignored in ("", "name"):
        with pytest.raises(AmbiguousName) as caught:
            await found(fake, "twin", ignored=ignored)
        assert len(caught.value.matches) == 2
