"""The OAuth provider with two applications, and requests to it without a client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from cloud66_async.sandbox import STRICT, TOLERANT, FakeCloud66, ProviderSettings, Reply, Request

CALLBACK = "https://app.example/callback"
BOTH = pytest.mark.parametrize("settings", [TOLERANT, STRICT], ids=["tolerant", "strict"])


def sandbox(settings: ProviderSettings = TOLERANT) -> FakeCloud66:
    """Return a sandbox with two applications."""
    fake = FakeCloud66(provider=settings)
    fake.add_application(
        redirect_urls=[CALLBACK, "http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost:8000/cb"]
    )
    fake.add_application("Other", client_id="other", client_secret="other-secret", redirect_urls=[CALLBACK])
    return fake


def authorization_url(**changes: str | None) -> str:
    """Return the URL of an authorization request. None leaves a parameter out."""
    fields = {
        "client_id": "sandbox-client",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "public",
        "state": "s",
        **changes,
    }
    return "https://sandbox.example/oauth/authorize?" + urlencode(
        {name: value for name, value in fields.items() if value is not None}
    )


def get(fake: FakeCloud66, url: str, headers: Mapping[str, str] | None = None) -> Reply:
    return fake.handle(Request("GET", url.removeprefix("https://sandbox.example"), headers or {}))


def post(fake: FakeCloud66, path: str, headers: Mapping[str, str] | None = None, **fields: str | None) -> Reply:
    body = urlencode({name: value for name, value in fields.items() if value is not None})
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return fake.handle(Request("POST", path, {**kind, **(headers or {})}, body.encode()))


async def code(fake: FakeCloud66, **changes: str | None) -> str:
    """Return a code that the user has consented to."""
    return parse_qs(urlsplit(await fake.consent(authorization_url(**changes))).query)["code"][0]


def exchange(
    fake: FakeCloud66, code: str | None, headers: Mapping[str, str] | None = None, **changes: str | None
) -> Reply:
    """Send a token request with the code. None leaves a field out."""
    fields: dict[str, str | None] = {
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
        "redirect_uri": CALLBACK,
        "grant_type": "authorization_code",
        "code": code,
        **changes,
    }
    return post(fake, "/oauth/token", headers, **fields)


def fields(reply: Reply) -> dict[str, str]:
    """Return the fields of a token response in either format."""
    kind = reply.header("content-type") or ""
    if "json" in kind:
        return {name: str(value) for name, value in json.loads(reply.body).items()}
    assert kind.startswith("application/x-www-form-urlencoded")
    return dict(parse_qsl(reply.body.decode(), strict_parsing=True))
