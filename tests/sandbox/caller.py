"""Caller: requests to the API of the sandbox without a client, so that tests see the JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cloud66_async.sandbox import FakeCloud66, Reply, Request
from cloud66_async.token import Token


class Caller:
    """Sends requests with a token."""

    def __init__(self, fake: FakeCloud66, token: Token | None = None) -> None:
        self.fake = fake
        self.token = token or fake.add_token()

    def __call__(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, **query: object
    ) -> Reply:
        target = f"/api/3{path}" + (f"?{urlencode(query)}" if query else "")
        sent = {"authorization": f"Bearer {self.token.reveal()}", **(headers or {})}
        if body is None:
            return self.fake.handle(Request(method, target, sent))
        sent.setdefault("content-type", "application/json")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.fake.handle(Request(method, target, sent, data))

    def get(self, path: str, **query: object) -> Any:
        return self._content(self("GET", path, None, None, **query))

    def send(self, method: str, path: str, body: object = None) -> Any:
        return self._content(self(method, path, body))

    def _content(self, reply: Reply) -> Any:
        assert reply.status == 200, reply
        return json.loads(reply.body)["response"]


def error_code(reply: Reply) -> str:
    """Return the code of an error response."""
    found = json.loads(reply.body)
    assert found.keys() == {"error", "error_description", "details"}
    return str(found["error"])
