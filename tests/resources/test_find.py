"""Finding stacks by name."""

from __future__ import annotations

from typing import Any

import pytest

from cloud66_async import (
    AmbiguousName,
    NotFound,
)

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
