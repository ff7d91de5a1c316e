"""JWTs in the sandbox."""

from __future__ import annotations

import base64
from datetime import timedelta

import msgspec

from ...resources import jwts as api
from ..handling import Context, handles
from ..parameters import bad_request
from ..samples import sample_hash
from ..table import Record

__all__: list[str] = []

_LIFETIME = timedelta(minutes=10)


@handles(api.FETCH)
def fetch_jwt(context: Context) -> str:
    """Return a JWT in the usual form. No key was used, so its signature is not valid."""
    scope, audience = context.parameters["scope"], context.parameters["aud"]
    if not scope or not audience:
        raise bad_request("scope and aud must not be empty")
    issued = int(context.now.timestamp())
    claims: Record = {
        "iss": "https://app.cloud66.example.com",
        "sub": context.user,
        "aud": audience,
        "scope": scope,
        "iat": issued,
        "exp": issued + int(_LIFETIME.total_seconds()),
    }
    signed = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_encode(sample_hash(signed).encode())}"


def _part(content: Record) -> str:
    return _encode(msgspec.json.encode(content))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
