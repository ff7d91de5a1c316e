"""Redeploy hooks: URLs that redeploy a stack without a token."""

from __future__ import annotations

from collections.abc import Sequence

from .._core.response import BufferedResponse
from .._core.sender import Sender
from ..config import USER_AGENT
from ..errors import APIError, ConfigError, NotFound, ServerError
from ..secret import Secret
from ..transport import SharedHeaders, StreamRequest
from ._signed_url import parse_signed_url

__all__ = ["call_hook"]

_KINDS: dict[int, type[APIError]] = {403: NotFound, 404: NotFound}


async def call_hook(
    sender: Sender, hook: Secret, *, services: Sequence[str] | None, deployment_profile: str | None
) -> None:
    """Send the request of a redeploy hook once. Raises ConfigError for a URL that is not a hook's."""
    from urllib.parse import urlencode  # imported lazily: takes 3 ms

    url = parse_signed_url(_with_https(hook))
    if url is None:
        raise ConfigError("invalid redeploy hook: expected a URL such as that in `redeploy_hook` of a stack")
    parameters = {"services": ",".join(services) if services else None, "deployment_profile": deployment_profile}
    query = urlencode({name: value for name, value in parameters.items() if value})
    request = StreamRequest(
        origin=url.origin,
        target=Secret(url.target.reveal() + ("?" if query else "") + query) if query else url.target,
        # No token: the URL is the secret.
        headers=SharedHeaders([("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", USER_AGENT)]),
        timeouts=sender.timeouts,
        method="POST",
        body=b"{}",
        repeatable=False,
    )
    async with sender.stream(request) as response:
        status = response.status
    if not 200 <= status < 300:
        # The body is not read: it may repeat the URL.
        kind = _KINDS.get(status, ServerError if status >= 500 else APIError)
        raise kind(
            f"{status} for the redeploy hook at {url.origin.host}; check the URL in `redeploy_hook` of the stack",
            status=status,
            operation=f"POST {url.origin.host}",
            response=BufferedResponse(status, b""),
        )


def _with_https(hook: Secret) -> Secret:
    """Return the hook of Cloud 66 with https: the API shows it with http, and the server has both."""
    text = hook.reveal()
    return Secret(f"https{text[4:]}") if text.startswith("http://hooks.cloud66.com/") else hook
