"""Redeploy hooks of the sandbox: the URLs that it hands out work without a token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from .message import Reply, Request, error_reply

if TYPE_CHECKING:
    from .table import Record
    from .world import World

__all__ = ["PREFIX", "hook_reply", "with_hook"]

PREFIX: Final = "/stacks/redeploy/"


def with_hook(stack: Record, request: Request) -> Record:
    """Return the fields of a stack with a hook that leads to the server which received `request`."""
    base = request.base
    hook = stack["redeploy_hook"]
    return stack if base is None or hook is None else {**stack, "redeploy_hook": base + urlsplit(str(hook)).path}


def hook_reply(world: World, request: Request) -> Reply:
    """Return the response to a hook, which starts a deployment. What the API responds is not documented."""
    if request.method != "POST":
        return error_reply(404, "not_found", "There is nothing at this URL")
    if "authorization" in request.headers:
        return error_reply(400, "bad_request", "A redeploy hook takes no token")  # so that a test notices it
    uid = request.path.removeprefix(PREFIX).partition("/")[0]
    stack = world.stacks.get(uid)
    known = "" if stack is None else urlsplit(str(stack.data["redeploy_hook"] or "")).path
    if stack is None or not hmac.compare_digest(known.encode(), request.path.encode()):
        return error_reply(404, "not_found", "There is no such redeploy hook")
    stack.catch_up(world.clock.now())
    world.deploy(stack, user="system", via="hook")
    return Reply.json({"response": {"ok": True, "message": "Stack starting redeployment"}})
