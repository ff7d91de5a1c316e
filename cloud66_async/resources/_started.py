"""What a redeployment has started, if the response does not say it or was lost."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs
import msgspec

from .._core.arguments import check_iterable, check_text
from .._core.deadline import time_left
from .._core.sender import Sender
from ..errors import Cloud66Error, ConfigError, RequestTimeout, ResponseError, ServerError, TransportError
from ..operation import Page
from . import actions, deployments
from .actions import Action, Started

if TYPE_CHECKING:
    from ..pager import Pager
    from .deployments import Deployment
    from .stacks import Redeployment, Stack

__all__ = ["LOST", "Found", "find", "find_action", "names", "new_reference", "of_new_stack", "start_once"]

# After these, the request may have been carried out.
LOST = (TransportError, ServerError, RequestTimeout, ResponseError)
_PAUSES = (1.0, 4.0)  # in seconds, before each search for an action whose response was lost


def new_reference() -> str:
    """Return a `user_reference` that no other request has."""
    return f"cloud66-async-{os.urandom(16).hex()}"


def names(services: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return service names as a list. The API's documentation shows a comma-separated string, which is accepted too."""
    if services is None:
        return None
    if isinstance(services, str):
        services = services.split(",")
    check_iterable("services", services)
    services = tuple(services)
    for service in services:
        check_text("services", service)
    return tuple(name for service in services if (name := service.strip()))


async def of_new_stack(action: Action, stacks: Pager[Stack], name: str) -> Action:
    """Return the action that creates a stack with the uid of that stack: the newest of those with its name.

    If it cannot be found, the action is returned as it is: the stack is created in any case.
    """
    with suppress(Cloud66Error):
        named = [stack for stack in (await stacks.page(1)).items if stack.name == name]
        found = max(named, key=lambda stack: str(stack.created_at), default=None)
        return action if found is None else attrs.evolve(action, stack=found.uid)
    return action


# --- lost responses ------------------------------------------------------------------------------


async def start_once(
    sender: Sender, stack: str, reference: str, start: Callable[[], Awaitable[Redeployment]]
) -> Redeployment:
    """Start a redeployment, but not twice if the response is lost.

    After an error that leaves open whether the API received the request, look for an action with the reference. Send
    the request once more only if there is none, and not after an unreadable response, which says that the API accepted
    it. Raises the last request's error. Without retries, only send it.
    """
    if sender.retry.attempts == 1:
        return await start()
    try:
        return await start()
    except LOST as error:
        found = await _find_after(error, sender, stack, reference)
        if found is not None:
            return found
        if isinstance(error, ResponseError):
            raise
    try:
        return await start()
    except LOST as error:
        found = await _find_after(error, sender, stack, reference)
        if found is None:
            raise
        return found


async def _find_after(error: Cloud66Error, sender: Sender, stack: str, reference: str) -> Redeployment | None:
    """Return the redeployment that a request has started whose response was lost, or None if it has not.

    Raises `error` if the request did not reach the API, and if it remains unknown what has happened.
    """
    if isinstance(error, TransportError) and not error.sent:
        raise error
    for pause in _PAUSES:
        if pause >= time_left():
            raise error
        await sender.clock.sleep(pause)
        try:
            found = await find_action(sender, stack, reference)
        except Cloud66Error:
            raise error from None
        if found is not None:
            from .stacks import Redeployment

            return Redeployment(ok=True, async_action_id=found.id, stack=stack, user_reference=reference)
    return None


# --- responses without an action -----------------------------------------------------------------


class Found(msgspec.Struct):
    """What to wait for: its ID, and how its state is read, alone or together with others."""

    id: int
    key: str
    read: Callable[[int], Awaitable[Action]]
    read_latest: Callable[[], Awaitable[Page[Action]]]


async def find(sender: Sender, started: Started, stack: str) -> Found | int:
    """Return the action with the reference of a redeployment, or else the newest deployment of the stack.

    Raises ConfigError if there is neither.
    """
    reference: str | None = getattr(started, "user_reference", None)
    action = None if reference is None else await find_action(sender, stack, reference)
    if action is not None:
        return action.id

    async def read(deployment: int) -> Action:
        call = deployments.GET.bind(stack=stack, deployment=deployment)
        return _to_action((await sender.send(call)).data, stack)

    async def read_latest() -> Page[Action]:
        page = (await sender.send(deployments.LIST.bind(stack=stack).page(1))).data
        return Page(tuple(_to_action(deployment, stack) for deployment in page.items))

    newest = max((await read_latest()).items, key=lambda found: found.id, default=None)
    if newest is None:
        raise ConfigError(f"the response holds no action to wait for, and stack {stack} has no deployment")
    return Found(newest.id, f"{stack} deployments", read, read_latest)


async def find_action(sender: Sender, stack: str, reference: str) -> Action | None:
    """Return the newest action with this reference, or None."""
    page = (await sender.fresh.send(actions.LIST.bind(stack=stack, user_reference=reference).page(1))).data
    # If the API did not filter, the other actions would belong to other requests.
    matching = [action for action in page.items if (action.metadata or {}).get("user_reference") == reference]
    return max(matching, key=lambda action: action.id, default=None)


def _to_action(deployment: Deployment, stack: str) -> Action:
    """Return the state of a deployment as that of an action."""
    outcome, via = deployment.outcome, deployment.triggered_via
    finished = deployment.finished_at is not None
    return Action(
        id=deployment.id,
        user=deployment.triggered_by,
        resource_type="deployment",
        resource_id=str(deployment.id),
        action="deployment",
        started_via=None if via is None else via.meaning,
        started_at=deployment.started_at,
        finished_at=deployment.finished_at,
        finished_success=outcome is not None and outcome.meaning == "success" if finished else None,
        finished_message=outcome.meaning if finished and outcome is not None else None,
        stack=stack,
    )
