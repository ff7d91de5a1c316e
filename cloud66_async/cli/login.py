"""The commands `login` and `logout`."""

from __future__ import annotations

import getpass
import os
import sys
import webbrowser

from rich.markup import escape

from ..client import Cloud66
from ..config import Address
from ..errors import Cloud66Error, ConfigError
from ..oauth.file_store import FileStore
from ..oauth.loopback import login_with_browser, login_with_code
from ..oauth.store import DEFAULT
from ..token import Token
from .console import errors, out, to_markup

__all__ = ["log_in", "log_out", "store_token"]


async def log_in(
    client_id: str | None,
    *,
    scope: str,
    browser: bool,
    port: int,
    timeout: float,  # noqa: ASYNC109  raises LoginError, unlike asyncio.timeout
    profile: str | None,
) -> None:
    """Log in with the authorization code flow and store the access token.

    Args:
        client_id: Client ID of the OAuth application. If it is None, ConfigError is raised.
        scope: Scopes, separated by commas or spaces.
        browser: Whether to open a local browser. Otherwise, the user opens the URL and pastes the code.
        port: Local port for the callback. 0 selects a free port.
        timeout: Maximum seconds to wait for the callback.
        profile: Name under which the login is stored.
    """
    async with _application(client_id) as c66:
        if browser:
            token = await login_with_browser(c66, scope=scope, port=port, timeout=timeout, open_browser=_open)
        else:
            token = await login_with_code(c66, scope=scope, ask=_ask_code)
    await _save(token, profile)


async def store_token(*, profile: str | None) -> None:
    """Store a personal access token, typed without echo or read from a pipe."""
    await _save(Token(_ask_secret("Personal access token")), profile)


async def log_out(client_id: str | None, *, profile: str | None) -> None:
    """Revoke the stored token if `client_id` is given, then delete it even if the revocation failed."""
    store = _store()
    name = profile or DEFAULT
    token = await store.load(name)
    if token is None:
        raise ConfigError(f"no login is stored{'' if profile is None else f' for the profile {profile!r}'}")
    outcome = "the token was not revoked (no --client-id); revoke it under Account > Apps"
    try:
        if client_id is not None:
            async with _application(client_id) as c66:
                await c66.revoke(token)
            outcome = "the token was revoked"
    except Cloud66Error as error:
        outcome = f"the token was not revoked ({to_markup(str(error))}); revoke it under Account > Apps"
    finally:
        await store.delete(name)
    out.print(f"Login deleted; {outcome}", soft_wrap=True)


def _application(client_id: str | None) -> Cloud66:
    if client_id is None:
        raise ConfigError(
            "no OAuth application; register one under Account > Apps and set CLOUD66_CLIENT_ID, "
            "or store a personal access token with `cloud66-async login --token`"
        )
    # Never an argument: every user of the machine can see the arguments of a process.
    secret = os.environ.get("CLOUD66_CLIENT_SECRET") or _ask_secret("Client secret")
    return Cloud66(client_id=client_id, client_secret=secret)


async def _save(token: Token, profile: str | None) -> None:
    store = _store()
    await store.save(token, profile or DEFAULT)
    out.print(f"Logged in; token stored in {escape(str(store.path))} (readable only by you)", soft_wrap=True)


def _store() -> FileStore:
    return FileStore(site=Address.parse(None).site)


def _open(url: str) -> bool:
    out.print("Opening the consent page in your browser; if it does not open, visit this URL:\n")
    out.print(url, soft_wrap=True, markup=False)
    webbrowser.open(url)
    return True  # even if it failed: the user may open the URL by hand


def _ask_code(url: str) -> str:
    out.print("Visit this URL, authorize the application, and paste the code that Cloud 66 displays:\n")
    out.print(url, soft_wrap=True, markup=False)
    return _ask_secret("Code")


def _ask_secret(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{name}: ").strip()
    errors.print(f"{name}: reading from standard input", style="dim")
    return sys.stdin.readline().strip()
