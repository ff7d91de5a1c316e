"""The token endpoint and its tokens, with both of the included settings."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from cloud66_async.sandbox import STRICT, ProviderSettings, Request

from .provider import BOTH, CALLBACK, authorization_url, code, exchange, fields, get, post, sandbox

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@BOTH
async def test_code_is_exchanged_for_a_token_of_the_user(settings: ProviderSettings) -> None:
    fake = sandbox(settings)
    redirect = await fake.consent(authorization_url(scope="public redeploy"), user="grace@example.com")
    reply = exchange(fake, parse_qs(urlsplit(redirect).query)["code"][0], headers={"accept": "application/json"})
    found = fields(reply)
    (grant,) = fake.tokens
    assert reply.status == 200
    assert ("json" in (reply.header("content-type") or "")) is (settings is STRICT)
    assert reply.header("cache-control") == "no-store"
    assert found["access_token"] == grant.token.reveal()
    assert len(found["access_token"]) == 43
    assert found["token_type"] == "Bearer"
    assert found["scope"] == "public redeploy"
    assert "expires_in" not in found
    assert "refresh_token" not in found
    assert grant.user is not None
    assert grant.user.email == "grace@example.com"
    assert grant.scopes == ("public", "redeploy")


@pytest.mark.parametrize(("accept", "kind"), [("application/json", "json"), ("*/*", "form"), (None, "form")])
async def test_response_format_may_depend_on_the_accept_header(accept: str | None, kind: str) -> None:
    fake = sandbox(ProviderSettings(response_format="accept"))
    headers = {} if accept is None else {"accept": accept}
    for reply in (exchange(fake, await code(fake), headers), exchange(fake, "no", headers)):
        assert kind in (reply.header("content-type") or "")


@BOTH
@pytest.mark.parametrize(
    ("changes", "tolerant", "strict"),
    [
        ({"redirect_uri": None, "redirect_url": CALLBACK}, None, "invalid_request"),
        ({"redirect_uri": None}, None, "invalid_request"),
        ({"redirect_url": CALLBACK}, None, None),
        ({"redirect_uri": "http://127.0.0.1/callback"}, "invalid_grant", "invalid_grant"),
        ({"grant_type": None}, "invalid_request", "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type", "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type", None),
        ({"code": None}, "invalid_request", "invalid_request"),
        ({"code": "wrong"}, "invalid_grant", "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client", "invalid_client"),
        ({"client_secret": None}, "invalid_client", "invalid_client"),
        ({"client_id": "unknown"}, "invalid_client", "invalid_client"),
        ({"client_id": "other", "client_secret": "other-secret"}, "invalid_grant", "invalid_grant"),
        ({"code_verifier": "never-challenged"}, "invalid_grant", "invalid_grant"),
    ],
    ids=str,
)
async def test_token_request(
    settings: ProviderSettings, changes: dict[str, str | None], tolerant: str | None, strict: str | None
) -> None:
    fake = sandbox(settings)
    sent: dict[str, str | None] = {"code": await code(fake), **changes}
    reply = exchange(fake, sent.pop("code"), None, **sent)
    wanted = strict if settings is STRICT else tolerant
    assert fields(reply).get("error") == wanted
    assert reply.status == (200 if wanted is None else 401 if wanted == "invalid_client" else 400)
    assert ("access_token" in fields(reply)) is (wanted is None)
    assert (reply.header("www-authenticate") is not None) is (wanted == "invalid_client")


async def test_failed_exchange_does_not_use_the_code() -> None:
    fake = sandbox()
    issued = await code(fake)
    assert exchange(fake, issued, client_secret="wrong").status == 401
    assert exchange(fake, issued).status == 200


async def test_code_works_once() -> None:
    fake = sandbox()
    issued = await code(fake)
    first, second = exchange(fake, issued), exchange(fake, issued)
    assert (first.status, second.status) == (200, 400)
    assert fields(second)["error"] == "invalid_grant"
    assert not fake.tokens[0].revoked


async def test_reuse_of_a_code_may_revoke_the_token() -> None:
    fake = sandbox(ProviderSettings(revoke_on_reuse=True))
    issued = await code(fake)
    exchange(fake, issued)
    exchange(fake, issued)
    assert fake.tokens[0].revoked


async def test_code_expires_after_ten_minutes() -> None:
    fake = sandbox()
    valid, expired = await code(fake), await code(fake)
    fake.clock.advance(599)
    assert exchange(fake, valid).status == 200
    fake.clock.advance(1)
    assert fields(exchange(fake, expired))["error"] == "invalid_grant"


@BOTH
async def test_credentials_in_the_header(settings: ProviderSettings) -> None:
    fake = sandbox(settings)
    basic = "Basic " + base64.b64encode(b"sandbox-client:sandbox-secret").decode()
    issued = await code(fake)
    wrong = "Basic " + base64.b64encode(b"sandbox-client:wrong").decode()
    for header in (wrong, "Basic !", "Basic " + base64.b64encode(b"\xff:").decode()):
        reply = exchange(fake, issued, {"authorization": header}, client_id=None, client_secret=None)
        assert reply.status == 401
    reply = exchange(fake, issued, {"authorization": basic}, client_id=None, client_secret=None)
    assert reply.status == 200


async def test_body_that_is_not_a_form_is_rejected() -> None:
    fake = sandbox()
    reply = exchange(fake, await code(fake), {"content-type": "application/json"})
    assert fields(reply)["error"] == "invalid_request"


async def test_repeated_field_is_rejected() -> None:
    fake = sandbox()
    body = urlencode([("code", await code(fake)), ("code", "other"), ("grant_type", "authorization_code")]).encode()
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert fake.handle(Request("POST", "/oauth/token", kind, body)).status == 400


async def test_token_of_an_application_does_not_belong_to_a_user() -> None:
    fake = sandbox(STRICT)
    token = fields(exchange(fake, None, grant_type="client_credentials"))["access_token"]
    info = get(fake, "/oauth/token/info", {"authorization": f"Bearer {token}"})
    assert json.loads(info.body)["resource_owner_id"] is None
    assert get(fake, "/api/3/stacks.json", {"authorization": f"Bearer {token}"}).status == 403


@pytest.mark.parametrize(
    ("pkce", "challenged", "verifier", "error"),
    [
        ("optional", True, VERIFIER, None),
        ("optional", True, "w" * 64, "invalid_grant"),
        ("optional", True, None, "invalid_request"),
        ("optional", False, VERIFIER, "invalid_grant"),
        ("optional", False, None, None),
        ("ignored", True, VERIFIER, None),
        ("ignored", True, "w" * 64, None),
        ("ignored", True, None, None),
        ("ignored", False, VERIFIER, None),
        ("required", True, VERIFIER, None),
        ("required", True, "w" * 64, "invalid_grant"),
        ("required", True, None, "invalid_request"),
    ],
)
async def test_pkce(pkce: str, challenged: bool, verifier: str | None, error: str | None) -> None:
    fake = sandbox(ProviderSettings(pkce=pkce))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    challenge = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"} if challenged else {}
    reply = exchange(fake, await code(fake, **challenge), code_verifier=verifier)
    assert fields(reply).get("error") == error


def test_token_info() -> None:
    fake = sandbox()
    token = fake.add_token("grace@example.com", ["public"])
    reply = get(fake, "/oauth/token/info", {"authorization": f"Bearer {token.reveal()}"})
    assert json.loads(reply.body) == {
        "resource_owner_id": 2,
        "scope": ["public"],
        "expires_in": None,
        "application": {"uid": None},
        "created_at": int(fake.clock.now().timestamp()),
    }
    rejected = get(fake, "/oauth/token/info", {"authorization": "Bearer wrong"})
    assert rejected.status == 401
    assert json.loads(rejected.body)["error"] == "invalid_token"


async def test_revocation() -> None:
    fake = sandbox()
    token = fields(exchange(fake, await code(fake)))["access_token"]
    mine = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    other = {"client_id": "other", "client_secret": "other-secret"}
    assert post(fake, "/oauth/revoke", token=token).status == 403
    assert (
        json.loads(post(fake, "/oauth/revoke", client_id="other", token=token).body)["error"] == "unauthorized_client"
    )
    assert post(fake, "/oauth/revoke", None, **other, token=token).status == 200
    assert not fake.tokens[0].revoked
    for known in (token, token, "unknown"):
        reply = post(fake, "/oauth/revoke", None, **mine, token=known)
        assert (reply.status, reply.body) == (200, b"{}")
    assert fake.tokens[0].revoked
    rejected = get(fake, "/api/3/stacks.json", {"authorization": f"Bearer {token}"})
    assert "The access token was revoked" in (rejected.header("www-authenticate") or "")


async def test_token_expires() -> None:
    fake = sandbox(ProviderSettings(expires_in=7200))
    found = fields(exchange(fake, await code(fake)))
    assert found["expires_in"] == "7200"
    header = {"authorization": f"Bearer {found['access_token']}"}
    fake.clock.advance(7199)
    assert get(fake, "/api/3/stacks.json", header).status == 200
    assert json.loads(get(fake, "/oauth/token/info", header).body)["expires_in"] == 1
    fake.clock.advance(1)
    assert "The access token expired" in (get(fake, "/api/3/stacks.json", header).header("www-authenticate") or "")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/oauth/token"), ("POST", "/oauth/nothing"), ("PUT", "/oauth/authorize")]
)
def test_other_endpoints_are_not_found(method: str, path: str) -> None:
    assert sandbox().handle(Request(method, path)).status == 404


async def test_repr_contains_no_secret() -> None:
    fake = sandbox()
    issued = await code(fake)
    exchange(fake, issued)
    text = f"{fake!r} {fake.provider!r} {fake.provider.applications!r} {fake.tokens!r} {fake.requests!r}"
    text += repr(fake.provider._authorization.codes.get(issued))
    for secret in (issued, fake.tokens[0].token.reveal(), "sandbox-secret", "other-secret"):
        assert secret not in text
