"""What a method of a resource sends."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from cloud66_async import Cloud66

from ..support import Script, client, make_response

__all__ = ["Sent", "Use", "sent"]

Use = Callable[[Cloud66], Awaitable[object]]
"""A use of the client that sends one request."""

Sent = tuple[str, str, Any]
"""HTTP method, target and JSON body of a request, or None without a body."""

# The identifiers of all models: a single item is also read where a list is expected.
_IDENTIFIERS: dict[str, object] = {
    "id": 1, "uid": "u", "key": "k", "name": "n", "contents": "", "public_url": "https://x", "stencils": [],
}  # fmt: skip


async def sent(use: Use, response: object = None) -> Sent:
    """Return the request that `use` sends. It gets `response`, by default an object with every kind of identifier."""
    transport = Script(make_response({"response": _IDENTIFIERS if response is None else response}))
    async with client(transport) as c66:
        await use(c66)
    (request,) = transport.requests
    (target,) = transport.targets
    return request.method, target, None if request.body is None else json.loads(request.body)
